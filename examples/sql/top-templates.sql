-- The endpoints with the most requests, and how they end.
SELECT template,
       count(*) AS requests,
       count(DISTINCT principal) AS principals,
       round(100.0 * count(*) FILTER (status BETWEEN 400 AND 499) / count(*), 1) AS client_errors_pct,
       round(100.0 * count(*) FILTER (status >= 500) / count(*), 1) AS server_errors_pct
FROM requests
GROUP BY template
ORDER BY requests DESC, template
LIMIT 20
