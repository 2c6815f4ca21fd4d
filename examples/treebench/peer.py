#!/usr/bin/env python3
"""scikit-learn and XGBoost on the files of treebench: peer.py TASK DIR [SEED [WORKERS]],
the same tasks and the same line of JSON."""
import json, os, resource, sys, tempfile
for k in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
    os.environ.setdefault(k, {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}[k])
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import joblib, numpy as np, sklearn
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.metrics import f1_score, roc_auc_score


def cpu():
    a, b = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return a.ru_utime + a.ru_stime + b.ru_utime + b.ru_stime


def read(d, name):
    s = json.load(open(os.path.join(d, name + ".json")))
    X = np.ascontiguousarray(np.fromfile(os.path.join(d, name + ".f32"), "<f4").reshape(s["columns"], s["rows"]).T)
    y = np.fromfile(os.path.join(d, name + ".class"), np.uint8)
    return X, y, s["fit"]


def size(m):
    with tempfile.TemporaryDirectory() as t:
        p = os.path.join(t, "m.joblib")
        joblib.dump(m, p)
        return os.path.getsize(p)


def main(task, d, seed=1, workers=1):
    seed, workers = int(seed), int(workers)
    out = {"scikit-learn": sklearn.__version__}
    if task in ("forest", "small"):
        X, y, n = read(d, "flows" if task == "forest" else "small")
        t = cpu()
        m = RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=workers).fit(X[:n], y[:n])
        out["fit"], t = cpu() - t, cpu()
        p = m.predict(X[n:])
        out["predict"] = cpu() - t
        out["macro_f1"], out["model_bytes"] = f1_score(y[n:], p, average="macro"), size(m)
        out["leaves"] = int(sum(e.get_n_leaves() for e in m.estimators_))
    elif task == "cv":
        X, y, _ = read(d, "small")
        t, p, fold = cpu(), np.zeros_like(y), np.arange(len(y)) % 5
        for k in range(5):
            m = RandomForestClassifier(n_estimators=100, random_state=seed + k, n_jobs=workers).fit(X[fold != k], y[fold != k])
            p[fold == k] = m.predict(X[fold == k])
        out["fit"], out["macro_f1"] = cpu() - t, f1_score(y, p, average="macro")
    elif task == "isolation":
        X, y, _ = read(d, "isolation")
        t = cpu()
        m = IsolationForest(n_estimators=100, max_samples=256, random_state=seed, n_jobs=workers).fit(X)
        s = -m.score_samples(X)
        out["fit"], out["auc"], out["model_bytes"] = cpu() - t, roc_auc_score(y, s), size(m)
    elif task in ("boost", "boostcat"):
        import xgboost as xgb
        s = json.load(open(os.path.join(d, task + ".json")))
        X = np.ascontiguousarray(np.fromfile(os.path.join(d, task + ".f32"), "<f4").reshape(s["columns"], s["rows"]).T)
        y, n = np.fromfile(os.path.join(d, task + ".y"), "<f4"), s["fit"]
        out = {"xgboost": xgb.__version__}
        def fit(types):  # the matrix counts: binning is part of ours too
            t = cpu()
            m = xgb.DMatrix(X[:n], y[:n], feature_types=types, enable_categorical=types is not None, nthread=workers)
            b = xgb.train(dict(tree_method="hist", max_bin=256, max_depth=6, eta=.1, seed=seed, nthread=workers), m, 300)
            t, at = cpu() - t, cpu()
            p = b.inplace_predict(X[n:])
            return t, cpu() - at, float(np.sqrt(np.mean((p - y[n:]) ** 2))), len(b.save_raw("ubj"))
        out["fit"], out["predict"], out["rmse"], out["model_bytes"] = fit(None)
        if task == "boostcat":
            out["fit_native"], _, out["rmse_native"], _ = fit(["c"] * 4 + ["float"] * 16)
            open(os.path.join(d, "boostcat.rmse"), "w").write(str(out["rmse"]))
    elif task == "exchange":
        import glob, xgboost as xgb
        out = {"xgboost": xgb.__version__}
        X = np.ascontiguousarray(np.fromfile(os.path.join(d, "exchange.f32"), "<f4").reshape(6, -1).T)
        names = ["c%d" % j for j in range(6)]
        old = xgb.__version__.startswith("1.")
        for p in sorted(glob.glob(os.path.join(d, "*.xgboost.json"))):
            name = os.path.basename(p)[:-len(".xgboost.json")]
            b = xgb.Booster()
            b.load_model(p)
            types = json.load(open(p))["learner"]["feature_types"]
            got = b.predict(xgb.DMatrix(X, feature_names=names, feature_types=types, enable_categorical=True))
            want = np.fromfile(p[:-len("json")] + "want", "<f4").reshape(len(X), -1)
            got = got.reshape(len(X), -1)
            if name == "two":
                want = want[:, 1:]
            out[name] = float(np.abs(got - want).max())
            if not out[name] < 1e-5:
                sys.exit(f"peer.py: {name}: XGBoost {xgb.__version__} differs by {out[name]}")
        cat = ["float"] * 4 + ["c", "c"]
        y = {k: np.fromfile(os.path.join(d, "exchange." + k), "<f4") for k in ("number", "two", "three")}
        base = dict(tree_method="hist", max_depth=5, eta=.2, seed=int(seed), nthread=1, min_child_weight=2)
        for name, target, types, params in [
                ("squared", "number", None, dict(objective="reg:squarederror")),
                ("categories", "number", cat, dict(objective="reg:squarederror", max_cat_to_onehot=1)),
                ("onehot", "number", cat, dict(objective="reg:squarederror", max_cat_to_onehot=100)),
                ("absolute", "number", None, dict(objective="reg:absoluteerror")),
                ("huber", "number", None, dict(objective="reg:pseudohubererror")),
                ("leafwise", "number", cat, dict(objective="reg:squarederror", grow_policy="lossguide", max_leaves=50, max_depth=0, max_cat_to_onehot=1)),
                ("dart", "number", None, dict(objective="reg:squarederror", booster="dart", rate_drop=.2)),
                ("two", "two", cat, dict(objective="binary:logistic", base_score=.3)),
                ("three", "three", cat, dict(objective="multi:softprob", num_class=3))]:
            m = xgb.DMatrix(X, y[target], feature_names=names, feature_types=types, enable_categorical=types is not None)
            b = xgb.train({**base, **params}, m, 40)
            p = os.path.join(d, "peer-" + name)
            b.save_model(p + ".json")
            b.predict(m).astype("<f4").tofile(p + ".want")
    elif task == "onnx":
        import glob, onnx, onnxruntime as ort
        X = np.ascontiguousarray(np.fromfile(os.path.join(d, "onnx.f32"), "<f4").reshape(6, -1).T)
        out = {"onnx": onnx.__version__, "onnxruntime": ort.__version__}
        for name, k in (("classifier", 1), ("regressor", 0), ("detector", 0)):
            p = os.path.join(d, name + ".onnx")
            onnx.checker.check_model(onnx.load(p))
            got = ort.InferenceSession(p, providers=["CPUExecutionProvider"]).run(None, {"input": X})[k]
            want = np.fromfile(os.path.join(d, name + ".want"), "<f4").reshape(got.shape)
            out[name] = float(np.abs(got - want).max())
            if not out[name] < 1e-5:
                sys.exit(f"peer.py: {name}: onnxruntime differs by {out[name]}")
        X = np.ascontiguousarray(np.fromfile(os.path.join(d, "exchange.f32"), "<f4").reshape(6, -1).T)
        for p in sorted(glob.glob(os.path.join(d, "boosted-*.onnx"))):
            name = os.path.basename(p)[:-len(".onnx")]
            onnx.checker.check_model(onnx.load(p))
            got = ort.InferenceSession(p, providers=["CPUExecutionProvider"]).run(None, {"input": X})[-1]
            want = np.fromfile(p[:-len("onnx")] + "want", "<f4").reshape(got.shape)
            out[name] = float((np.abs(got - want) / (1 + np.abs(want))).max())
            if not out[name] < 1e-5:
                sys.exit(f"peer.py: {name}: onnxruntime differs by {out[name]}")
    else:
        sys.exit("peer.py: no task " + task)
    out["rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(out))


main(*sys.argv[1:])
