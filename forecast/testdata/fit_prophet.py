#!/usr/bin/env python3
"""Makes prophet.json: fits of Prophet on synthetic series, for the differential
test of the additive model.

    python3 -m venv venv && venv/bin/pip install prophet && venv/bin/python fit_prophet.py > prophet.json
"""
import json
import logging
import sys

import numpy as np
import pandas as pd
import prophet

logging.disable(logging.CRITICAL)


def objective(m, mode):
    """Negative log-posterior without constants, as Stan's model has it."""
    p, h = m.params, m.history
    sigma, k, m0 = (float(p[n].ravel()[0]) for n in ("sigma_obs", "k", "m"))
    delta, beta = p["delta"].ravel(), p["beta"].ravel()
    fc = m.predict(h)
    r = (h["y"].values - fc["yhat"].values) / m.y_scale
    value = (len(r) * np.log(sigma) + r @ r / (2 * sigma**2) + 2 * sigma**2 + (k * k + m0 * m0) / 50
             + np.abs(delta).sum() / m.changepoint_prior_scale + beta @ beta / (2 * m.seasonality_prior_scale**2))
    return float(value), sigma


def case(name, step, n, fn, mode, ahead, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(n + ahead)
    y = np.round(fn(t, rng), 3)
    y[rng.random(n + ahead) < 0.03] = np.nan
    y[0], y[n - 1] = 50.0, 60.0  # the history begins and ends with a value
    ds = pd.Timestamp("2024-01-01") + pd.to_timedelta(t * step, unit="s")
    df = pd.DataFrame({"ds": ds, "y": y})
    m = prophet.Prophet(seasonality_mode=mode, uncertainty_samples=0)
    m.fit(df.iloc[:n].dropna(), algorithm="Newton", iter=20000)  # converges farther than the default L-BFGS
    value, sigma = objective(m, mode)
    yhat = m.predict(df[["ds"]])["yhat"].values
    at = list(range(0, n, max(1, n // 50))) + list(range(n, n + ahead))
    return {"name": name, "start": int(ds[0].value // 1000), "step": step * 1_000_000, "mode": mode, "history": n,
            "y": [None if np.isnan(v) else v for v in y[:n]], "objective": value, "sigma": sigma,
            "seasonalities": {k: v["fourier_order"] for k, v in m.seasonalities.items()},
            "at": at, "yhat": [round(float(yhat[i]), 6) for i in at]}


def hourly(t, rng):
    day, week = 2 * np.pi * t / 24, 2 * np.pi * t / 168
    return 100 + 0.05 * t + np.where(t > 300, 0.1 * (t - 300), 0) + 30 * np.sin(day) + 8 * np.cos(2 * day) + 12 * np.sin(week) + 5 * rng.normal(size=len(t))


def daily(t, rng):
    year, week = 2 * np.pi * t / 365.25, 2 * np.pi * t / 7
    return 60 - 0.02 * t + np.where(t > 400, 0.05 * (t - 400), 0) + 9 * np.sin(year) + 4 * np.cos(week) + 2 * rng.normal(size=len(t))


def growing(t, rng):
    day = 2 * np.pi * t / 24
    return (50 + 0.2 * t) * (1 + 0.4 * np.sin(day) + 0.1 * np.cos(3 * day)) + 4 * rng.normal(size=len(t))


out = {"tool": f"Prophet {prophet.__version__}, numpy {np.__version__}, pandas {pd.__version__}, Python {sys.version.split()[0]}",
       "cases": [case("hourly", 3600, 700, hourly, "additive", 48, 1), case("daily", 86400, 900, daily, "additive", 60, 2),
                 case("growing", 3600, 500, growing, "multiplicative", 24, 3)]}
json.dump(out, sys.stdout, separators=(",", ":"))
print()
