-- Who was flagged, for what, and from when to when. Empty before
-- `apiml score --db` has run.
SELECT principal,
       class,
       count(*) AS flagged,
       count(DISTINCT incident) AS incidents,
       round(max(probability), 3) AS highest,
       min(time) AS first,
       max(time) AS last
FROM scores
WHERE flagged
GROUP BY principal, class
ORDER BY flagged DESC, principal, class
LIMIT 50
