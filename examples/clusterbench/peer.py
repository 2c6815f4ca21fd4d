"""scikit-learn's DBSCAN on a file of clusterbench: peer.py FILE EPS MIN_SAMPLES [LABELS]
With LABELS (of apiml) it also says whether cores and noise are the same."""
import json, resource, sys, time
import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

x = np.fromfile(sys.argv[1]).reshape(-1, 8)
t = time.process_time()
d = DBSCAN(eps=float(sys.argv[2]), min_samples=int(sys.argv[3])).fit(x)
t = time.process_time() - t
out = {"rows": len(x), "clusters": int(d.labels_.max() + 1), "noise": int((d.labels_ < 0).sum()), "cpu_s": round(t, 2),
       "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
if len(sys.argv) > 4:
    mine = np.fromfile(sys.argv[4], dtype=np.int32)
    core = np.zeros(len(x), bool)
    core[d.core_sample_indices_] = True
    out["same_noise"] = bool(((mine < 0) == (d.labels_ < 0)).all())
    out["same_clusters_of_cores"] = bool((mine[core] == d.labels_[core]).all())
    out["ari"] = round(float(adjusted_rand_score(mine, d.labels_)), 6)
print(json.dumps(out))
