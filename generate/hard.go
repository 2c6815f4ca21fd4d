package generate

// hardRules are honest values that look dangerous: what people type into
// browsers, editors, trackers and tools. They come in as many lengths,
// alphabets and notations as attacks do; a classifier that has not met them
// takes every apostrophe and every line of code for an attack.
func hardRules() source {
	return source{
		{"bt", "`"},
		// Editors, comments, chats.
		{"chat", `
9~«word» «word»
6~«sentence»
3~«hardtext»
2~lol «word» «emoji»
2~«foreign»
2~«emoji»«emoji»
1~<3
1~:'( «word»
1~>:D
1~¯\_(ツ)_/¯
1~(╯°□°)╯︵ ┻━┻
1~^^ «word» ;)
1~i can't, don't know; won't «verb»...
1~«first»: "«sentence»" -- lol
1~@«slugname» #«slugword» «link»
1~&lt;3 «word»
1~«word»!!!1! ??? «word»??
1~/me «verb»s
1~/join #«slugword»
1~s/«slugword»/«slugnoun»/
1~«code»
1~y = «n»x + «n»; x > «n»
1~brb | afk | «word»
1~«n»/10 would «verb»; again`},
		{"emoji", "😀\n😂\n👍\n❤️\n🔥\n🙏🏽\n👩‍👩‍👧\n🇩🇪\n☕\n✅\n🎉\n💀\n🤷‍♂️\n❗\n→\n✓\n…"},
		{"link", `
4~https://www.«slugnoun».example/«slug»
2~https://youtu.example/watch?v=«tok»&t=«nn»s
1~http://«slugnoun».example/~«slugname»/«file»
1~www.«slugnoun».example
1~https://en.wiki.example/wiki/«title»_(«slugword»)
1~https://github.example/«slugname»/«slugnoun»/issues/«nnn»#issuecomment-«big»
1~https://«slugnoun».example/?q=«slugword»%20%26%20«slugnoun»&x='«n»'
1~«adurl»`},
		{"title", "2~«model»\n2~«loan»_(«loan»)\n3~«Word»_«word»\n2~«Word»\n1~«Word»_%26_«Word»\n1~C%2B%2B_«word»\n1~«first»'s_«noun»\n1~Help:«Word»/«slugword»\n1~«Word»_(«word»)\n1~Special:Search\n1~«Word»:_a_«noun»%3F\n1~«foreign»"},
		{"Word", "«adj»\n«noun»\n«first»\n«city»\n«company»"},
		{"html", `
4~<p>«text»</p>
3~<p>«sentence»</p>\r\n<p>«sentence» <a href="«link»">«noun»</a>.</p>
2~<h2>«noun»</h2><ul><li>«noun»</li><li>«adj» «noun»</li></ul>
2~<p><img class="alignnone size-medium wp-image-«nnn»" src="«imgsrc»" alt="«noun»" width="«nnn»" height="«nnn»" /></p>
2~<div class="«slugword»" style="color: #«hex6»; text-align: center;"><strong>«sentence»</strong></div>
1~<table border="1"><tr><td>«noun»</td><td>«nn»</td></tr></table>
1~<blockquote><p>«sentence»</p></blockquote><!--more-->«sentence»
1~<iframe width="560" height="315" src="https://www.youtube.example/embed/«tok»" frameborder="0" allowfullscreen></iframe>
1~<pre><code>«code»</code></pre>
1~<p>«sentence»<br />\n«sentence»&nbsp;&ndash; «first»</p>
1~<!-- wp:paragraph {"align":"center"} --><p class="has-text-align-center">«sentence»</p><!-- /wp:paragraph -->
1~[gallery ids="«nn»,«nnn»,«nnn»"] «sentence» [caption id="attachment_«nn»"]«noun»[/caption]
1~<a href="javascript:;" class="btn">«noun»</a> <span>«sentence»</span>
1~<a href="javascript:void(0)">«word»</a>
1~<p style="margin:0;font-family:'Open Sans',Arial">«first»'s «noun» &amp; «noun»</p>
1~<p>«sentence»</p><p>«code»</p><p>«sentence»</p>
1~<svg width="24" height="24" viewBox="0 0 24 24"><path d="M«n» «nn»h«n»v-«n»z"/></svg>
1~<b>«foreign»</b> <em>«foreign»</em> «sentence»
1~<o:p></o:p><span lang="EN-US" style="mso-fareast-language:EN-US">«sentence»</span>
1~<video controls src="/media/«slugnoun».mp4"></video><p>«sentence»</p>
1~<button type="button" onclick="window.print()">Print</button> «sentence»
1~<input type="checkbox" disabled checked> «noun»<br>`},
		{"hex6", "«x2»«x2»«x2»"},
		{"imgsrc", "/wp-content/uploads/«yyyy»/«monthnn»/«slugnoun»-«nnn»x«nnn».jpg\nhttps://«slugnoun».example/img/«file2».png\n../images/«slugnoun».gif\ndata:image/png;base64,«b64bin»\ndata:image/gif;base64,R0lGODlhAQABAAAAACw="},
		{"bbcode", `
3~«text»
2~[quote="«slugname»"]«sentence»[/quote]\n«sentence»
1~[b]«noun»[/b] «sentence» [url=«link»]«word»[/url]
1~[code]«code»[/code] «sentence»
1~[img]«imgsrc»[/img]
1~«sentence» :) [color=#«hex6»]«word»[/color]
1~[list][*]«noun»[*]«noun»[/list]
1~[spoiler]«sentence»[/spoiler] «opinion»`},
		{"wikitext", `
3~== «noun» ==\n«sentence» [[«noun»|«word»]]
2~# «noun»\n\n«sentence»\n\n«fence»\n«code»\n«fence»\n
2~* «noun»\n* '''«noun»''' ''«adj»''\n«sentence»<ref>«link»</ref>
1~{{Infobox «slugword»|name=«noun»|date=«date»}} «sentence»
1~{| class="wikitable"\n! «noun» !! «noun»\n|-\n| «n» || «nn»\n|}
1~| «noun» | «noun» |\n|---|---|\n| «nn» | «slugword» |
1~«html»
1~«report»
1~<!-- TODO «word» --> «sentence» <nowiki>'''«word»'''</nowiki>
1~Run «bt»«shellline»«bt» on «hostname», then «bt»«shellline»«bt».
1~See «bt»/etc/«slugnoun»/«slugword».conf«bt»: «bt»«slugword» = «n»«bt»
1~«fence»sql\n«sqltext»\n«fence»\n«sentence»
1~$$ \frac{«n»}{«nn»} \sum_{i=0}^{n} x_i $$ «sentence»`},
		{"fence", "«bt»«bt»«bt»"},
		{"report", `
3~«text»
2~«sentence»\n\nSteps:\n1. «sentence»\n2. «sentence»\n\nExpected: «sentence»\nActual: «errline»
2~«sentence»\n\n«trace»
2~«errline» when I «verb» the «noun». «sentence»
1~«sentence» The query was: «sqltext» and it took «n» s.
1~«logline»\n«logline»\n«logline»
1~I ran «shellline» and got «errline»
1~curl -X POST https://«slugnoun».example/api/«slugnoun» -H 'Content-Type: application/json' -d '{"«slugword»": «n»}' gives «errline»
1~> «sentence»\n> «sentence»\n\n«opinion» «sentence»
1~Diff:\n- «slugword» = «n»\n+ «slugword» = «nn»\n«sentence»
1~«json»
1~The user «first» O'«last» <«email»> can't log in; password reset mail says "«sentence»"
1~«sentence» See https://«slugnoun».example/«slug»?a=«n»&b=%27«slugword»%27 and ../«slugnoun»/README.md.`},
		{"errline", `
java.lang.NullPointerException: Cannot invoke "«Cls».get«Cls»()" because "<parameter1>" is null
ERROR 1064 (42000): You have an error in your SQL syntax; check the manual near '«slugword»' at line «n»
ORA-00933: SQL command not properly ended
psycopg2.errors.UndefinedTable: relation "«slugnoun»" does not exist
bash: «slugnoun»: command not found
/bin/sh: 1: «slugword»: not found
cat: /etc/«slugnoun».conf: No such file or directory
TypeError: unsupported operand type(s) for +: 'int' and 'str'
Uncaught TypeError: «slugnoun» is not a function
SyntaxError: Unexpected token < in JSON at position 0
panic: runtime error: index out of range [«n»] with length «n»
curl: (7) Failed to connect to localhost port «n4»: Connection refused
x509: certificate signed by unknown authority
Error: ENOENT: no such file or directory, open '/home/«slugname»/«file»'
Access denied for user '«slugname»'@'localhost' (using password: YES)
segfault at 0 ip «hex8» sp «hex8» error 4 in lib«slugword».so
Warning: include(../«slugnoun».php): failed to open stream in /var/www/html/index.php on line «nn»
HTTP 500 {"error":"«slugword»","code":«nnn»}
exit status «n»: permission denied`},
		{"Cls", "«Slug»Service\n«Slug»Controller\n«Slug»Repository\n«Slug»Manager\nOrder\nUser\nSession\nHandler"},
		{"trace", `
2~java.lang.IllegalStateException: «sentence»\n\tat com.example.«slugnoun».«Cls».«slugword»(«Cls».java:«nnn»)\n\tat java.base/java.lang.Thread.run(Thread.java:«nnn»)\nCaused by: java.sql.SQLException: «slugword»
2~Traceback (most recent call last):\n  File "/srv/«slugnoun»/«slugword».py", line «nnn», in <module>\n    «slugword»(«n»)\nValueError: invalid literal for int() with base 10: '«word»'
2~TypeError: Cannot read properties of undefined (reading '«slugword»')\n    at «slugnoun» (https://cdn.example/static/js/main.«hex8».js:2:«n6»)\n    at Array.map (<anonymous>)\n    at eval (eval at <anonymous>, <anonymous>:1:1)
1~goroutine «nn» [running]:\nmain.«slugword»(0x«hex8»)\n\t/src/«slugnoun»/main.go:«nn» +0x«x2»
1~PHP Fatal error:  Uncaught Error: Call to undefined function «slugword»() in /var/www/html/«slugnoun».php:«nn»\nStack trace:\n#0 {main}\n  thrown
1~System.NullReferenceException: Object reference not set to an instance of an object.\r\n   at «Cls».«Slug»(String s) in C:\src\«slugnoun»\«Cls».cs:line «nnn»
1~Script error. (:0:0)
1~«errline»
1~Error: «sentence»\n    at /usr/src/app/node_modules/«slugnoun»/index.js:«nn»:«nn»\n    at process._tickCallback (internal/process/next_tick.js:68:7)`},
		{"logline", `
«date» «hh»:«mm»:«mm» ERROR [«slugname»] «errline»
«date»T«hh»:«mm»:«mm»Z level=info msg="«sentence»" user=«slugname» id=«id»
<«nn»>Jan «n» «hh»:«mm»:«mm» «hostname» sshd[«n4»]: Failed password for invalid user admin from «ip4» port «n4» ssh2
«ip4» - - [«nn»/Mar/2026:«hh»:«mm»:«mm» +0000] "GET /«slug»?id=«n» HTTP/1.1" 200 «nnn» "-" "curl/8.5.0"
{"level":"warn","ts":«big»,"msg":"«sentence»","path":"/api/«slugnoun»?q='«word»'"}
kernel: [«n6».«n6»] audit: type=1400 apparmor="DENIED" operation="open" name="/proc/«n4»/cmdline"
cron[«n4»]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)
nginx: [warn] conflicting server name "«slugnoun».example" on 0.0.0.0:80, ignored`},
		{"ip4", "10.«nn».«n».«nn»\n192.168.«n».«nn»\n«nn».«nn».«nn».«nn»\n127.0.0.1"},
		{"hostname", "«slugnoun»-«nn»\n«slugword»«n».«slugnoun».internal\ndb-«n».eu-central-1.example\nlocalhost:«n4»\n«ip4»:«n4»\nip-10-«nn»-«n»-«nn»"},
		{"envvars", `
{"«UP»":"«slugword»","PATH":"/usr/local/bin:/usr/bin:/bin","HOME":"/home/«slugname»"}
«UP»=«slugword» «UP»=$HOME/«slugnoun»
«UP»=${«UP»:-«slugword»}
JAVA_OPTS=-Xmx«n»g -Dspring.profiles.active=«slugword» -XX:+UseG1GC
DATABASE_URL=postgres://«slugname»:«tok»@localhost:5432/«slugnoun»?sslmode=disable
chrome «nnn» / windows 10; «slugword»=«n»`},
		{"UP", "«Slug»_HOME\nAPP_ENV\nCI_JOB_ID\nDEBUG\nGOFLAGS\nREDIS_URL\nLOG_LEVEL"},
		// Query languages of honest tools.
		{"jql", `
project = «UPC» AND status in (Open, "In Progress") ORDER BY created DESC
assignee = currentUser() AND resolution = Unresolved order by priority DESC, updated DESC
text ~ "«noun» «word»" AND created >= -«n»d
labels not in («slugword», «slugnoun») OR fixVersion = «ver»
summary ~ "«word»*" AND reporter = «slugname» AND duedate < now()
«slugword» is EMPTY or issuetype != Bug
key in («UPC»-«nn», «UPC»-«nnn») and updated > startOfWeek()`},
		{"UPC", "OPS\nWEB\nSHOP\nSEC\nAPI"},
		{"promql", `
rate(http_requests_total{job="«slugnoun»",status=~"5.."}[5m])
sum(rate(«slugnoun»_seconds_count{env="«slugword»"}[«n»m])) by (instance)
histogram_quantile(0.99, sum(rate(«slugnoun»_bucket[5m])) by (le, route))
up == 0
(node_memory_MemTotal_bytes - node_memory_MemFree_bytes) / node_memory_MemTotal_bytes * 100 > «nn»
absent(«slugnoun»{job="«slugword»"}) or vector(0)
topk(«n», count by (__name__)({__name__=~".+"}))
«slugnoun»_total{path!~"/health|/metrics"} unless on(pod) kube_pod_info
{job="«slugnoun»"} |= "error" != "timeout" | json | line_format "{{.msg}}"
max_over_time(«slugnoun»_up[1h:1m]) offset «n»d
label_replace(up, "host", "$1", "instance", "(.*):.*")`},
		{"lucene", `
level:ERROR AND service:«slugnoun»
message:"«noun» «word»" AND NOT status:[200 TO 299]
host:(«slugnoun» OR «slugword») AND response:>=«nnn»
@timestamp:[now-«n»h TO now] AND _exists_:user.id
path:\/api\/«slugnoun»\/* AND method:POST
{"query":{"bool":{"must":[{"match":{"«slugword»":"«noun»"}}],"filter":[{"range":{"ts":{"gte":"now-1h"}}}]}}}
(«slugword»:«nn» OR «slugword»:«n») && !«slugnoun»:«word»
fields @timestamp, @message | filter @message like /ERROR/ | sort @timestamp desc | limit «nn»
index=«slugnoun» sourcetype=access_combined status>=500 | stats count by uri_path | where count > «nn»
«slugnoun»~2 «slugword»^«n» "«word» «word»"~«n»
"SELECT" AND "timeout" AND NOT "«word»"
message:*exception* AND kubernetes.pod.name:«slugnoun»-*`},
		{"ldapfilter", `
(uid=«slugname»)
(&(objectClass=person)(mail=«slugname»*))
(|(cn=*«first»*)(sn=*«last»*))
(&(objectCategory=user)(memberOf=CN=«slugnoun»,OU=Groups,DC=«slugword»,DC=example)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))
(sAMAccountName=«slugname»)
(&(department=«noun»)(|(title=*«word»*)(l=«city»)))
givenName eq "«first»" and active eq true
userName sw "«a3»" or emails.value co "@«slugnoun».example"`},
		{"odata", `
«slugword» eq '«noun»' and «slugnoun» gt «nn»
startswith(Name,'«a3»') or contains(tolower(Title),'«word»')
Price lt «nn».50m and not endswith(Sku,'-«nn»')
CreatedAt ge «date»T00:00:00Z and Status in ('Open','Closed')
Customer/Name eq 'O''Brien'
Orders/any(o:o/Total gt «nnn»)
id eq guid'«uuid»'
substringof('«word»',Description) and year(Date) eq 2026
(«slugword» ne null) and («slugnoun» eq «n» or «slugnoun» eq «nn»)`},
		{"sqltext", `
SELECT «slugword», count(*) FROM «slugnoun» GROUP BY 1 ORDER BY 2 DESC LIMIT «nn»
select * from «slugnoun» where «slugword» = '«noun»' and created_at > now() - interval '«n» days'
SELECT u.id, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.email LIKE '%@«slugnoun».example'
WITH t AS (SELECT «slugword», sum(x) s FROM «slugnoun» GROUP BY 1) SELECT * FROM t WHERE s > «nnn»
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
select a.«slugword» from «slugnoun» a union all select b.«slugword» from «slugnoun»_old b
UPDATE «slugnoun» SET «slugword» = «n» WHERE id IN («nn», «nnn»)
SELECT date_trunc('day', ts) d, avg(«slugword») FROM «slugnoun» WHERE host = '«hostname»' GROUP BY d -- per day
SELECT version()
EXPLAIN ANALYZE SELECT * FROM «slugnoun» WHERE «slugword» IS NOT NULL
insert into «slugnoun» (name, note) values ('O''Brien', '«sentence»')
SELECT CASE WHEN x > «n» THEN 'a' ELSE 'b' END, coalesce(«slugword», 0) FROM «slugnoun»
DELETE FROM «slugnoun» WHERE created < '«date»'
SHOW TABLES LIKE '«slugword»%'
SELECT concat(first_name, ' ', last_name) FROM customers WHERE city IN ('«city»', '«city»') /* «word» */`},
		{"sqlwhere", "«slugword» = '«noun»'\nid > «nnn» and id <= «n4»\nstatus in ('open','new') and total >= «nn»\n«slugword» like '«a3»%'\ncreated between '«date»' and '«date»'\nname = 'O''Neill' or name is null\n«slugnoun» <> 0"},
		{"opsquery", `
4~«query»
2~«slugnoun» «errcode»
1~"«noun» «word»" -«word»
1~how to grep "«word»" in «noun»
1~kill -9 «noun» process
1~cat /etc/«slugnoun».conf permissions
1~reset root password «noun»
1~drop table if exists «slugnoun»
1~«errline»
1~rm -rf node_modules && npm install
1~select distinct vs group by
1~user:«slugname» is:open label:"«word»"
1~«slugnoun» || «slugword»
1~chmod 755 vs 777
1~ssh tunnel localhost:«n4»
1~xss filter «noun»
1~what is sql injection? ' or 1=1 explained`},
		{"errcode", "500\nORA-01017\n0x8007«x4»\nE«n4»\nECONNREFUSED\nCVE-202«d»-«n4»"},
		{"soap", `
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><Get«Slug» xmlns="http://«slugnoun».example/"><id>«id»</id></Get«Slug»></soap:Body></soap:Envelope>
<?xml version="1.0" encoding="UTF-8"?><order id="«id»"><customer>«name»</customer><note><![CDATA[«sentence» & more]]></note></order>
<?xml version="1.0"?><!DOCTYPE «slugword» SYSTEM "«slugword».dtd"><«slugword»><title>«noun»</title></«slugword»>
<rss version="2.0"><channel><title>«noun»</title><link>«link»</link></channel></rss>
<samlp:AuthnRequest ID="_«hex32»" Version="2.0" IssueInstant="«date»T«hh»:«mm»:«mm»Z"/>`},
		{"xmlrpc", `
<?xml version="1.0"?><methodCall><methodName>demo.sayHello</methodName><params></params></methodCall>
<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>pingback.ping</methodName><params><param><value><string>«link»</string></value></param><param><value><string>«link»</string></value></param></params></methodCall>
<methodCall><methodName>wp.getPosts</methodName><params><param><value><int>«n»</int></value></param><param><value><string>«slugname»</string></value></param></params></methodCall>
<methodCall><methodName>metaWeblog.newPost</methodName><params><param><value><string>&lt;p&gt;«sentence»&lt;/p&gt;</string></value></param></params></methodCall>`},
		{"crontime", "17«n6»«nn».«n6»«n4»«nn»«nnn»"},
		{"cron", "0 «n» * * *\n*/«n» * * * *\n@daily\n«n» 3 * * MON-FRI\n0 0 1 */3 ?\n15,45 8-18 * * 1-5"},
		{"shellline", `
systemctl restart «slugnoun»
cat /var/log/«slugnoun».log | grep -i error | tail -n «nn»
for f in *.csv; do wc -l "$f"; done
find . -name '*.log' -mtime +«n» -delete
docker exec -it «slugnoun» sh -c 'ps aux | grep «slugword»'
curl -fsSL https://«slugnoun».example/install.sh | bash
kubectl get pods -n «slugnoun» -o jsonpath='{.items[*].metadata.name}'
echo "$USER" >> /tmp/«slugword».txt && chmod +x run.sh
awk -F, '{s+=$«n»} END {print s}' «slugnoun».csv
git log --oneline | head -«n»; git status
ssh «slugname»@«hostname» 'df -h; uptime'
psql -c "select count(*) from «slugnoun»"
Get-ChildItem C:\Logs -Filter *.log | Select-String "error"
powershell -File deploy.ps1 -Env «slugword»
export «UP»=$(cat .env | xargs)
sed -i 's/«slugword»/«slugnoun»/g' /etc/«slugnoun»/«slugword».conf
ping -c «n» «hostname»
ls -la ~/.ssh && id`},
		{"shellscript", `
#!/bin/bash\nset -euo pipefail\n«shellline»\n«shellline»
«shellline» && «shellline»
make build && make test || exit 1
npm ci; npm run build -- --env=«slugword»; rsync -av dist/ «hostname»:/var/www/
stages:\n  - build\nbuild:\n  script:\n    - «shellline»\n    - echo "${CI_COMMIT_SHA}"
FROM alpine:3.20\nRUN apk add --no-cache curl && rm -rf /var/cache/apk/*\nCMD ["/bin/sh"]
if [ -f "$1" ]; then\n  «shellline»\nfi`},
		{"template", `
Hello {{ user.name }},\n\n«sentence»\n\n{% if order.total > «nn» %}«sentence»{% endif %}\n{{ signature|safe }}
Dear ${customer.firstName},\n«sentence» ${order.id}
<h1><%= title %></h1><% items.each do |i| %><li><%= i.name %></li><% end %>
{{#each items}}<li>{{this.name}} – {{price}}</li>{{/each}}
Hi *|FNAME|*, «sentence» %recipient.code% [[unsubscribe]]
{{range .Items}}{{.Name}}: {{printf "%.2f" .Price}}{{end}}
#{salutation} «sentence» #{link_to 'here', url}
{$smarty.now|date_format} {foreach $rows as $r}{$r.name}{/foreach}
<p th:text="${«slugword»}">«word»</p> @{/«slugnoun»}
{{ config.title }} / {{ self.url }} «sentence»
@Model.Name @foreach (var x in Model.Items) { <li>@x</li> }`},
		{"tmplline", "Your order {{order.id}}\n${«slugword»} – «noun»\nRe: {subject}\n%%FIRSTNAME%%, «sentence»\n{{7*24}} hours left: «noun»\n«sentence» #«nn»"},
		{"inurl", `
http://«hostname»/hooks/«slugword»
http://localhost:«n4»/api/«slugnoun»
https://hooks.«slugnoun».example/services/«UPC»/«tok»/«tok22»
http://10.«nn».«n».«nn»:8080/job/«slugnoun»/build?token=«tok»
https://«slugnoun».internal/callback
http://127.0.0.1:«n4»/
ftp://«slugname»@«hostname»/«file»
file:///home/«slugname»/«file»
jdbc:mysql://db.«slugnoun».internal:3306/«slugword»?useSSL=false
redis://:«tok»@«hostname»/0
ldap://ldap.«slugnoun».example/dc=example`},
		{"branch", "main\nmaster\ndevelop\nfeature/«UPC»-«nn»-«slug»\nrelease/«ver»\nfix/«slugword»"},
		{"srcpath", `
src/«slugnoun»/«slugword».«srcext»
config/«slugword».yml
app/Http/Controllers/«Cls».php
.github/workflows/«slugword».yml
scripts/backup.sh
deploy/.env.example
Dockerfile
src/main/resources/application.properties
tests/test_«slugword».py
docs/../README.md
web/WEB-INF/web.xml
package.json
sql/«slugnoun».sql`},
		{"srcext", "go\npy\njava\nts\njs\nphp\nrb\nrs\nc\nsh\nsql\nhtml"},
		// Old web sites.
		{"yyyy", "2019\n2021\n2022\n2023\n2024\n2025\n2026"},
		{"monthnn", "01\n02\n03\n04\n05\n06\n07\n08\n09\n10\n11\n12"},
		{"adminphp", "4~index.php\n4~edit.php\n2~upload.php\n2~plugins.php\n1~options-general.php\n1~admin.php\n1~users.php\n1~post-new.php\n1~load-styles.php\n1~theme-editor.php\n1~install.php\n1~setup-config.php"},
		{"ajaxaction", "4~heartbeat\n1~wp_compression_test\n1~«slugword»_«slugnoun»\n1~save_«slugnoun»\n1~get_«slugword»\n1~query-attachments"},
		{"ajaxdata", `
{"wp-refresh-post-lock":{"post_id":"«id»","lock":"«big»:«n»"}}
<p>«sentence»</p>
«html»
«json»
a:2:{s:4:"name";s:5:"«a6»";s:3:"qty";i:«n»;}
«text»
query=«slugword»&paged=«n»`},
		{"nonce", "«hex10»"},
		{"hex10", "«hex8»«x2»"},
		{"joomla", "com_content\ncom_users\ncom_search\ncom_virtuemart\ncom_«slugword»"},
		{"joomlaid", "«nn»:«slug»\n«nnn»\n«n»:«slug»&catid=«nn»:«slugword»"},
		{"slugtheme", "twentytwenty\nastra\nstorefront\nwoocommerce\ncontact-form-7\n«slugword»"},
		{"jqfile", "3~jquery.min.js\n2~jquery-migrate.min.js\n1~ui/core.min.js"},
		{"upfile", "4~«slugnoun»-«nnn»x«nnn».jpg\n3~«file2».png\n1~«slugname»-«slugnoun»_(«n»).jpg\n1~Screen-Shot-«date»-at-«hh».«mm».«mm»-PM.png\n1~«slugnoun».pdf\n1~Müller-«slugword».jpg\n1~«noun» «adj».jpg\n1~«first»'s «noun».JPG"},
		{"pricerange", "«nn»-«nnn»\n«n»..«nn»\n<«nn»\n>=«nn»\n[«nn» TO «nnn»]\n«nn»,«nnn»"},
		{"Slugs", "«Slug»s\nProducts\nCustomers\nOrders\nEmployees"},
		// What scripts, trackers and frameworks put into parameters.
		{"json", `
8~«anyjson»
{"«slugword»":"«noun»","«slugnoun»":«n»}
{"id":«id»,"name":"«name»","tags":["«slugword»","«slugnoun»"],"note":"«sentence»"}
[{"k":"«slugword»","v":null},{"k":"«slugnoun»","v":true}]
{"filter":{"«slugword»":{"min":«n»,"max":«nn»}},"sort":[["«slugnoun»","desc"]]}
{"text":"it's «adj», isn't it?","html":"<b>«noun»</b>"}
{"a":"«tok22»","b":{"c":[«n»,«n»,«n»],"d":{"e":"«word»"}}}
{"query":"«slugword» and «slugnoun»","from":0,"size":«nn»}
{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"«sentence»"}]}]}
{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}
{"lat":«nn».«n4»,"lon":«n».«n4»,"acc":«nn»}
{"expr":"a > «n» && b != 'x'","url":"https://«slugnoun».example/?a=1&b=2"}`},
		{"macro", `
${«UP»}
${GCLID}
$${«slugword»}
%%CACHEBUSTER%%
[timestamp]
{{click_url}}
{{«slugword».«slugnoun»}}
#{«slugword»}
%7B%7B«slugword»%7D%7D
{lpurl}
*|EMAIL|*
[[«slugword»]]
<%= «slugword» %>
__IDFA__
{%«slugword»%}
%24%7B«slugword»%7D
${user.id}-${session}
$(«slugword»)
$«slugword»
@@«slugword»@@
%s
%d items
{0}
${placement}|${creative_id}
<«slugword»>
<insert «noun» here>
«slugword»={«slugnoun»}`},
		{"jslink", "javascript:;\njavascript:void(0)\njavascript:void(0);\njavascript:history.back()\njavascript:window.close()\n#\n#«slugword»\nabout:blank\nundefined\n[object Object]\nfunction () { [native code] }\nnull\nNaN\njavascript:__doPostBack('ctl00$«Slug»','')"},
		{"viewstate", "/wEPDw«b64bin»\n/wEPDwUK«big»«b64bin»\nrO0AB«b64bin»\nH4sIAAAAAAAA«b64bin»\nAAECAwQ«b64bin»\nTzoy«b64bin»\ngASV«b64bin»"},
		{"serial", "a:«n»:{i:0;s:«n»:\"«a6»\";i:1;i:«nn»;}\nO:8:\"stdClass\":1:{s:2:\"id\";i:«n»;}\n«slugword»|s:«n»:\"«a6»\";\ns:«n»:\"«slugnoun»\";"},
		{"enc2", "«%q»\n«%url»\n«%name»\n«%text»\n«%json»\n«64text»\n«64json»\n«%hardtext»\n«%html»\n«&html»\n«^code»\n«&hardtext»\n«^foreign»"},
		{"quoted", `
"«noun»"
'«noun»'
«bt»«slugword»«bt»
«first» "«adj»" «last»
«noun»'
'«noun»
"«noun»
«n»'«n»"
«n»" «noun»
«nn»'s «noun»
l'«noun» d'«noun»
aujourd'hui «word»
«noun»'s & «noun»'s
rock'n'roll «noun»
y'all «verb»
o'clock «n»
«first» O'«last», «first» D'«last»
"«adj» «noun»" «word»
''«noun»''
«noun» "" «noun»
(«noun» or "«noun»")
«noun»; "«noun»"
’«noun»’ “«word»”
„«noun»“
«noun»' «word»' «word»
it's
don't
'90s «noun»
Qur'an «word»
Hawai'i
Ma'am
s'il vous plaît
dell'«noun»
't «noun»
ain't no «noun»
«last»'s`},
		{"searchops", `
«noun» AND «noun»
«noun» and («noun» or «noun»)
"«noun»" OR "«noun»"
«noun» -«noun» +«noun»
site:«slugnoun».example «word»
intitle:"«noun» of" «word»
«noun» NEAR/«n» «noun»
title:«noun» year:>«yyyy»
«noun» | «noun»
!«noun» «noun»
«noun»>=«n»
«noun»~«n» «word»^«n»
*«noun»*
?«a3»*
«slugword»:[«n» TO «nn»]
from:«slugname» has:attachment before:«date»
«noun» && «noun»
«noun» union «noun»
«noun» or 1 «noun»
price < «nn» or rating = «n»
where «noun» is not «adj»
select «noun» into «noun»
having «noun» or not
«noun» order by «noun»
not «noun» = «noun»
like «noun»% off
between «n» and «nn»
«noun» limit «nn»
if («noun») then «noun»
«noun» -- «noun»
«noun» /* «noun» */
«noun» # «noun»
union jack «noun»
union of «noun» and «noun»
select committee «noun»
drop «noun» into «noun»
table «noun» where «noun»
exec «noun» update
cast of «noun»
count(*) «noun»
insert «noun» into «noun»
declare «noun»
«n»=«n»
«n» + «n» = «nn»
«a1»='«a1»'
true or false
null or void
order by «n» «noun»s
char(«nn») «noun»
delay '«n» days'
alter «noun» table
convert «nn» to «noun»
substring «noun»
ascii table
benchmark «noun» vs «noun»
user() «noun»
database «noun»
load data «noun»
file format «noun»
script «noun» alert
alert on «noun»
<«noun»> tag
«noun» onclick
img «noun»
body «noun» onload
src=«noun»
href «noun»
cookie «noun» document
prompt «noun» confirm
location «noun»
window.open «noun»
ping «noun» cat «noun»
ls «noun»
id «noun»
who am i
net use «noun»
dir «noun»
type «noun»
echo «noun»
uname «noun»
pwd
curl «noun»
sh «noun»
more «noun»; less «noun»
find «noun» -name «noun»
sort «noun» | uniq
grep «noun»
kill «noun»
env «noun»
printenv
etc passwd «noun»
../ meaning
.. or ...
./«slugnoun»
c:\«slugnoun»
win.ini «noun»
boot.ini
«slugnoun».conf
web.config «noun»
proc self «noun»`},
		{"units", "«n»' «n»\"\n«nn»°«n»'«n»\"N «n»°«nn»'E\n«n»×«n» m²\n€«nn»,-\n$«nn»/mo\n<«nn»kg\n±«n»%\n«n»/«n»/2026\n1:«nn»\n«nn»%–«nn»%\n~«nn» km\n#«n»-«n»\nH₂O + CO₂\nCH3(CH2)«n»COOH\nx_{i} = «n»^{«n»}\n∑(x²)/«n»\n½ cup\n«n»h «nn»m\nISO/IEC 27001:2022\n§ «n» Abs. «n»\nNo. «nn»(«a1»)"},
		{"alnumtext", "«tok» «tok»\n«hex8»-«x4»\n{«uuid»}\n«UPC»-«n4»/«nn»\n«x4»:«x4»::«x2»\n00:1A:«x2»:«x2»:«x2»:«x2»\nDE«nn» «n4» «n4» «n4»\n«nnn»-«nn»-«n4»\n«n».«n».«n».«n»/«nn»\n+«nn» («n») «nnn» «n4»\nsha256:«hex32»«hex32»\n«tok»==\n$2y$10$«tok22»\n$argon2id$v=19$m=65536,t=3,p=4$«tok22»\n0x«hex8»\n\\x«x2»\\x«x2»\\x«x2»\nA1:B«nn»\n=SUM(A1:A«nn»)\n=IF(B«n»>«nn»;\"«word»\";\"\")\n@«slugname»\n#«slugword»\n«n»;«n»;«n»\n«slugword»|«slugnoun»|«slugword»\n«slugword»,«slugnoun»,,«n»\n-«n»\n+«n»\n--\n;\n'\n\"\n.\n..\n...\n*\n%\n&\n?\n/\n//\n\\\n<\n>\n()\n[]\n{}\n<>\n:)\n$\n#\n!"},
		{"tricky", `
50~«webtext»
14~«hardtext»
14~«quoted»
14~«searchops»
6~«code»
5~«macro»
4~«jslink»
6~«html»
4~«json»
3~«trace»
3~«errline»
3~«units»
5~«alnumtext»
4~«enc2»
1~«serial»
3~«viewstate»
4~«link»
3~«adurl»
1~«sqltext»
1~«sqlwhere»
1~«shellline»
1~«template»
1~«promql»
1~«lucene»
2~«odata»
2~«ldapfilter»
1~«jql»
3~«bbcode»
3~«wikitext»
3~«report»
3~«chat»
1~«gql»
2~«logline»
2~«opsquery»
3~«folder»
3~«foreign»
3~«address»
3~«name»
3~«password»
3~«text»
2~«inurl»
1~«envvars»
2~«cron»
6~«gridfilter»
7~«gridcols»
5~«anyjson»
3~«model»
3~«intlslug»
6~«q»
4~«loan» «loan»
2~«opaque»
2~«expr»
2~«math»
2~«jwt»`},
	}
}
