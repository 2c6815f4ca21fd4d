# The package dbscan on a file of clusterbench: peer.R FILE EPS MIN_SAMPLES
suppressMessages(library(dbscan))
a <- commandArgs(TRUE)
n <- file.size(a[1]) / 64
x <- matrix(readBin(a[1], "double", n * 8), ncol = 8, byrow = TRUE)
t <- system.time(r <- dbscan(x, eps = as.numeric(a[2]), minPts = as.integer(a[3])))
cat(sprintf('{"rows": %d, "clusters": %d, "noise": %d, "cpu_s": %.2f}\n', as.integer(n), max(r$cluster), sum(r$cluster == 0), t[["user.self"]] + t[["sys.self"]]))
