#!/usr/bin/env python3
"""Checks sample.onnx (made by onnx_test.go) with the checker of onnx and runs it
in onnxruntime. Run with: .peers/venv/bin/python internal/onnx/testdata/check.py
Last run with onnx 1.23.2 and onnxruntime 1.32.0: largest difference 1.1e-8."""
import os, numpy as np, onnx, onnxruntime as ort
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample.onnx")
onnx.checker.check_model(onnx.load(path))
n = np.nan
X = np.array([[0, 0, 0], [n, 0, 1], [1, 1, 0], [1, 0, 2], [1, 2, n], [1, 7, 0], [1, n, 0]], np.float32)
# Tree 1: x0 ≤ .5 or missing -> 1, else code of x1 (0→2, 1→0, 2→1) ≤ .5 -> 2, else or unknown -> 3.
a = np.array([1, 1, 2, 3, 3, 3, 3])
# Tree 2: x2 < 1 -> -1, else or missing -> 4.
b = np.array([-1, 4, -1, 4, 4, -1, -1])
want = np.exp(-.5 * ((a + b) / 2 + .5))
got = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": X})[0][:, 0]
print("onnx", onnx.__version__, "onnxruntime", ort.__version__, "largest difference", np.abs(got - want).max())
assert np.abs(got - want).max() < 1e-6
