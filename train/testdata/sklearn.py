"""Makes sklearn.json: a depth-1 tree, robust z-scores and a stratified group
split of synthetic rows by scikit-learn and scipy.

    python3 -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python sklearn.py > sklearn.json
"""
import json, sys
import numpy as np, scipy, sklearn
from scipy.stats import median_abs_deviation
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.tree import DecisionTreeClassifier

rng = np.random.default_rng(11)
n, d, k = 240, 4, 3
truth = rng.choice(k, size=n, p=[0.6, 0.3, 0.1])
x = rng.integers(0, 40, size=(n, d))
x[:, 2] = np.clip(x[:, 2] + 9 * truth, 0, 60)
tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(x, truth)
med, mad = np.median(x, axis=0), median_abs_deviation(x, axis=0)
z = (np.abs(x - med) / (1.4826 * mad)).max(1)

groups = np.concatenate([np.full(s, i) for i, s in enumerate(rng.geometric(0.08, size=70))])
labels = (groups % 7 == 0).astype(int) + (rng.random(len(groups)) < 0.1)
share = np.zeros((5, 3))
for f, (_, test) in enumerate(StratifiedGroupKFold(5).split(labels, labels, groups)):
    share[f] = np.bincount(labels[test], minlength=3) / np.bincount(labels, minlength=3)
json.dump({
    "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "truth": truth.tolist(), "columns": x.T.tolist(),
    "stump": {"column": int(tree.tree_.feature[0]), "threshold": float(tree.tree_.threshold[0]),
              "left": tree.tree_.value[1][0].tolist(), "right": tree.tree_.value[2][0].tolist()},
    "robust_z": z.tolist(),
    "groups": groups.tolist(), "labels": labels.tolist(), "spread": float(share.std(0).mean()),
}, sys.stdout, separators=(",", ":"))
print()
