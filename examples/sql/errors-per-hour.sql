-- Share of server errors per hour (UTC).
SELECT date_trunc('hour', time) AS hour,
       count(*) AS requests,
       count(*) FILTER (status >= 500) AS server_errors,
       round(100.0 * count(*) FILTER (status >= 500) / count(*), 2) AS pct
FROM requests
WHERE time IS NOT NULL
GROUP BY hour
ORDER BY hour
