"""Makes sklearn.json: metrics of synthetic predictions by scikit-learn and scipy.

    python3 -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python sklearn.py > sklearn.json
"""
import json, sys
import numpy as np, scipy, sklearn
from scipy.stats import binomtest
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

rng = np.random.default_rng(7)
n, k = 160, 4
truth = rng.choice(k, size=n, p=[0.6, 0.25, 0.12, 0.03])
logits = rng.normal(size=(n, k)) + 1.3 * np.eye(k)[truth]
proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
proba = np.round(proba, 2)  # ties
proba[:, 0] = 1 - proba[:, 1:].sum(1)
proba = np.clip(proba, 0, 1)
proba = (proba / proba.sum(1, keepdims=True)).astype(np.float32)
pred = proba.argmax(1)
positive = truth != 0
score = 1 - proba[:, 0].astype(np.float64)

p, r, f, s = m.precision_recall_fscore_support(truth, pred, labels=range(k), zero_division=0)
fpr, tpr, rthr = m.roc_curve(positive, score, drop_intermediate=False)
prec, rec, pthr = m.precision_recall_curve(positive, score)
obs, mean = calibration_curve(positive, score, n_bins=10)
# A class that is in the label list, but in neither truth nor prediction, and one
# that is never predicted.
t2, p2 = [0, 0, 1, 1, 2], [0, 0, 1, 0, 0]
out = {
    "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "classes": k, "truth": truth.tolist(), "proba": [float(v) for v in proba.ravel()],
    "pred": pred.tolist(), "score": score.tolist(),
    "confusion": m.confusion_matrix(truth, pred, labels=range(k)).tolist(),
    "accuracy": m.accuracy_score(truth, pred),
    "macro_f1": m.f1_score(truth, pred, average="macro"),
    "weighted_f1": m.f1_score(truth, pred, average="weighted"),
    "balanced_accuracy": m.balanced_accuracy_score(truth, pred),
    "mcc": m.matthews_corrcoef(truth, pred),
    "precision": p.tolist(), "recall": r.tolist(), "f1": f.tolist(), "support": s.tolist(),
    "auc": m.roc_auc_score(positive, score), "ap": m.average_precision_score(positive, score),
    "roc": {"x": fpr.tolist(), "y": tpr.tolist(), "threshold": rthr.tolist()[1:]},
    "pr": {"x": rec.tolist()[::-1], "y": prec.tolist()[::-1], "threshold": pthr.tolist()[::-1]},
    "macro_auc": m.roc_auc_score(truth, proba, multi_class="ovr", average="macro"),
    "log_loss": m.log_loss(truth, proba), "brier_positive": m.brier_score_loss(positive, score),
    "calibration": {"observed": obs.tolist(), "predicted": mean.tolist()},
    "sparse": {"truth": t2, "pred": p2, "macro_f1": m.f1_score(t2, p2, average="macro", zero_division=0),
               "mcc": m.matthews_corrcoef(t2, p2)},
    "wilson": [[kk, nn, *binomtest(kk, nn).proportion_ci(0.95, "wilson")] for kk, nn in
               [(0, 1), (0, 30), (1, 10), (5, 10), (30, 30), (17, 4000), (9985, 10000)]],
}
json.dump(out, sys.stdout, indent=None, separators=(",", ":"))
print()
