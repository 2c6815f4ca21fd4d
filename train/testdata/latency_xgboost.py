#!/usr/bin/env python3
"""Makes latency_xgboost.json: the MAE in ms that XGBoost reaches on the last 30 %
of four real tables, with the columns, the objective and the settings that
EvaluateTable uses. Run: mkdir D; APIML_DATASETS=… LATENCY_DUMP=D go test ./train
-run TestRealTables; python3 latency_xgboost.py D. It writes metrics only."""
import json, os, sys
import numpy as np, xgboost as xgb

d = sys.argv[1]
out = {"xgboost": xgb.__version__, "tables": {}}
for name in ("elb", "haproxy", "trainticket", "lora"):
    s = json.load(open(os.path.join(d, name + ".json")))
    y, n, unit = np.fromfile(os.path.join(d, name + ".y"), "<f8"), s["fit"], s["unit"]
    z = np.log1p(y / unit)
    mae = []
    for seed in range(5):
        parts = []
        for k in (0, 1):  # without and with the columns of the past: EvaluateTable takes the mean of both
            X = np.ascontiguousarray(np.fromfile(os.path.join(d, f"{name}-{k}.f32"), "<f4").reshape(s["columns"][k], s["rows"]).T)
            p = dict(objective="reg:squarederror", tree_method="hist", max_bin=255, max_depth=6, eta=.1, min_child_weight=20,
                     reg_lambda=1, subsample=.8, colsample_bytree=.8, seed=seed, nthread=2)
            hold = n - n // 5  # the last fifth of the fit chooses the number of trees, then all of it is fitted
            b = xgb.train(p, xgb.DMatrix(X[:hold], z[:hold]), 300, evals=[(xgb.DMatrix(X[hold:n], z[hold:n]), "hold")], early_stopping_rounds=20, verbose_eval=False)
            b = xgb.train(p, xgb.DMatrix(X[:n], z[:n]), b.best_iteration + 1)
            parts.append(b.predict(xgb.DMatrix(X[n:])))
        mae.append(float(np.mean(np.abs(y[n:] - unit * np.expm1(np.mean(parts, axis=0))))))
    out["tables"][name] = {"mae": mae}
    print(name, np.mean(mae), np.std(mae))
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "latency_xgboost.json"), "w"), indent=1)
