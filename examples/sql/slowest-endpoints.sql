-- Latency percentiles in milliseconds of the endpoints with at least 20 timed
-- requests. Empty if the log has no response time ($request_time in NGINX).
SELECT template,
       count(latency) AS requests,
       round(1000 * quantile_cont(latency, 0.5), 1) AS p50_ms,
       round(1000 * quantile_cont(latency, 0.95), 1) AS p95_ms,
       round(1000 * quantile_cont(latency, 0.99), 1) AS p99_ms
FROM requests
WHERE latency IS NOT NULL
GROUP BY template
HAVING count(latency) >= 20
ORDER BY p95_ms DESC, template
LIMIT 20
