-- Lines that are no record: why, how many, and where the first one stands.
SELECT r.reason, count(*) AS lines, i.name AS file, min(r.line) AS first_line
FROM rejects r JOIN inputs i ON i.id = r.input
GROUP BY r.reason, i.name
ORDER BY lines DESC, file, r.reason
