-- Where the model and the rules disagree: the requests to look at first.
SELECT CASE WHEN flagged THEN 'model only' ELSE 'rules only' END AS who,
       CASE WHEN flagged THEN class ELSE rules END AS what,
       template,
       count(*) AS requests,
       min(target) AS example
FROM scores
WHERE flagged <> (coalesce(rules, '') <> '')
GROUP BY ALL
ORDER BY requests DESC, who, what, template
LIMIT 50
