# R's prophet on the files that TestPeer (package forecast) wrote: CPU seconds of fit
# and forecast, and the negative log-posterior without constants.
suppressPackageStartupMessages(library(prophet))
dir <- commandArgs(TRUE)[1]
cpu <- function(expr) { t <- proc.time(); force(expr); d <- proc.time() - t; sum(d[c("user.self", "sys.self")]) }
df <- read.csv(file.path(dir, "minutes.csv"))
df$ds <- as.POSIXct(df$ds, tz = "GMT")
used <- cpu({
  m <- prophet(df, uncertainty.samples = 0, yearly.seasonality = FALSE, weekly.seasonality = TRUE, daily.seasonality = TRUE)
  ahead <- predict(m, data.frame(ds = c(df$ds, max(df$ds) + 60 * (1:1440))))
})
p <- m$params
sigma <- as.numeric(p$sigma_obs)
r <- (df$y - ahead$yhat[seq_len(nrow(df))]) / m$y.scale
value <- nrow(df) * log(sigma) + sum(r^2) / (2 * sigma^2) + 2 * sigma^2 + (as.numeric(p$k)^2 + as.numeric(p$m)^2) / 50 +
  sum(abs(p$delta)) / 0.05 + sum(p$beta^2) / 200
cat(sprintf("minutes cpu %.3f objective %.4f\n", used, value))
peyton <- file.path(dir, "peyton.csv")
if (file.exists(peyton)) {
  df <- read.csv(peyton)
  df$ds <- as.POSIXct(df$ds, tz = "GMT")
  m <- prophet(df, uncertainty.samples = 0, daily.seasonality = FALSE)
  used <- cpu(cv <- suppressMessages(cross_validation(m, initial = 730, period = 180, horizon = 365, units = "days")))
  cat(sprintf("peyton cpu %.3f mape %.5f cuts %d\n", used, mean(abs((cv$y - cv$yhat) / cv$y)), length(unique(cv$cutoff))))
}
