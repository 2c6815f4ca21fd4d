package generate

// webRules are honest values as browsers, trackers, editors and consoles send
// them: code put together from statements, queries of consoles, passwords of
// password managers, reports of errors and policies. They are composed, not
// listed, so that a classifier learns what code looks like and not which lines
// are allowed.
func webRules() source {
	return source{
		{"lc", "=\n==\n!=\n<\n>\n<=\n>="},
		{"ar", "+\n-\n*\n/\n%"},
		{"id2", "3~«slugnoun»\n2~«slugword»\n2~«a1»\n1~«slugnoun»«n»\n1~«slugword»«Slug»\n1~is«Slug»\n1~«slugnoun»_«slugword»"},
		// JavaScript.
		{"jsx", `
4~«id2»
3~«n»
3~'«noun»'
2~"«word»"
2~«id2».«id2»
2~«id2»(«id2»)
2~«id2».«id2»(«jsx»)
1~«id2»[«n»]
1~«id2»['«slugword»']
1~«jsx» «ar» «n»
1~(«jsx» || «jsx»)
1~«jsx» «lc»= «jsx»
1~[«jsx», «jsx»]
1~{«id2»: «jsx», «id2»: «jsx»}
1~«a1» => «jsx»
1~function(«a1») { return «jsx»; }
1~await «id2»(«jsx»)
1~typeof «id2» === 'undefined'
1~!«id2»
1~«id2» ? «jsx» : «jsx»
1~/^«slugword»\d+$/i.test(«id2»)
1~JSON.parse(«id2»)
1~document.getElementById('«id2»')
1~document.querySelector('.«slugword» > a')
1~window.«id2»
1~new Date().getTime()
1~encodeURIComponent(«id2»)
1~Math.max(«n», «id2»)`},
		{"jsl", `
4~const «id2» = «jsx»;
3~var «id2»=«jsx»;
2~let «id2» = «jsx»;
3~«id2».«id2»(«jsx»);
2~«id2» = «jsx»;
2~if («jsx») { «jsl» }
2~return «jsx»;
1~if («jsx») «jsl» else «jsl»
1~function «id2»(«a1», «a1») { «jsl» }
1~for (var i = 0; i < «id2».length; i++) { «jsl» }
1~try { «jsl» } catch (e) { console.error(e); }
1~console.log('«sentence»', «id2»);
1~document.getElementById('«id2»').innerHTML = '<b>' + «id2» + '</b>';
1~$('#«slugword»').on('click', function(e) { e.preventDefault(); «jsl» });
1~«id2».forEach(«a1» => { «jsl» });
1~setTimeout(() => { «jsl» }, «nnn»);
1~fetch('/api/«slugnoun»').then(r => r.json()).then(«id2»);
1~window.location.href = '/«slug»';
1~window.dataLayer = window.dataLayer || [];
1~alert('«sentence»');
1~import { «id2» } from './«slugnoun»';
1~document.cookie = '«slugword»=' + «id2» + ';path=/';
1~// «sentence»
1~/* «word» */`},
		{"jsdoc", "3~«jsl»\n3~«jsl» «jsl»\n3~«jsl»\\n«jsl»\\n«jsl»\n1~(function(){«jsl»«jsl»})();\n1~\\n  «jsl»\\n  «jsl»\\n\n1~!function(e,t){«jsl»}(window,document)"},
		// SQL of consoles and dashboards.
		{"qcol", "4~«slugword»\n2~«slugnoun».«slugword»\n2~\"«slugword»\"\n1~*\n1~count(*)\n1~count(distinct «slugword»)\n1~sum(«slugword»)\n1~max(«a1».«slugword»)\n1~«slugword» as «slugnoun»\n1~coalesce(«slugword», «n»)\n1~mean(\"«slugword»\")\n1~date(«slugword»)\n1~lower(«slugword»)\n1~substring(«slugword», 1, «n»)\n1~concat(«slugword», ' ', «slugword»)"},
		{"qsel", "select\nSELECT\nSelect"},
		{"qwhere", `
4~«slugword» «lc» «nn»
3~«slugword» = '«noun»'
1~"«slugword»" = '«slugnoun»'
1~«slugword» like '%«a3»%'
1~«slugword» in ('«slugword»', '«slugnoun»')
1~«slugword» in («n», «nn», «nnn»)
1~«slugword» between «n» and «nn»
1~«slugword» is not null
1~«slugword» is null
1~time >= now() - «n»h
1~"«slugword»" =~ /^«a3»-.*$/
1~created_at >= '«date»'
1~«slugword» = ?
1~«slugword» = :«slugword»
1~«slugword» = $«d»
1~not («slugword» = «n» or «slugnoun» = «n»)
1~exists («qsel» 1 from «slugnoun» where id = «n»)
2~«qwhere» and «qwhere»
1~«qwhere» AND «qwhere»
1~«qwhere» or «qwhere»
1~«qwhere» OR «qwhere»`},
		{"qstmt", `
4~«qsel» «qcol», «qcol» from «slugnoun» where «qwhere»
3~«qsel» «qcol» FROM «slugnoun» WHERE «qwhere» ORDER BY «slugword» DESC LIMIT «nn»
2~«qsel» «qcol», «qcol», «qcol» from «slugnoun» a left join «slugword» b on b.id = a.«slugword»_id group by 1
2~«qsel» «qcol» FROM "«slugnoun»" WHERE «qwhere» GROUP BY time(«n»m) fill(null)
1~«qsel» «qcol» from «slugnoun» group by «slugword» having count(*) > «n» order by 2
1~«qsel» «qcol» from «slugnoun» where «qwhere» union all select «qcol» from «slugword»
1~update «slugnoun» set «slugword» = «n» where «qwhere»
1~insert into «slugnoun» («slugword», «slugword») values («n», '«noun»')
1~delete from «slugnoun» where «qwhere»
1~create table «slugnoun» (id int primary key, «slugword» text)
1~alter table «slugnoun» add column «slugword» varchar(«nnn»)
1~with «a1» as («qstmt») select * from «a1»
1~«qstmt»;
1~«qstmt» -- «word»
1~/* «word» */ «qstmt»
1~explain «qstmt»`},
		{"restq", `
select=*&«slugword»=ilike.*«a3»*
id=in.(«n»,«nn»,«nnn»)
or=(«slugword».lt.«nn»,«slugword».gt.«nn»)
filter[where][or][0][«slugword»][like]=«a3»%25
include=«slugnoun»,«slugword».«slugnoun»&fields[«slugnoun»]=«slugword»,«slugword»
$filter=«odata»&$top=«nn»`},
		// Shells, scripts and files of other tools.
		{"shl", `
3~«shellline»
1~cd «path2» && «shellline»
1~export «UP»="«slugword»"
1~echo "«sentence»" >> «path2»
1~mkdir -p «path2»; cp -r «path2» «path2»
1~apt-get update && apt-get install -y «slugword»
1~pip install -r requirements.txt
1~«slugword» --«slugword»=«n» --«slugnoun» «path2»
1~grep -rn '«word»' «path2» | wc -l
1~if [ -z "$«UP»" ]; then exit 1; fi
1~sudo systemctl restart «slugword»
1~curl -sS -H "Accept: application/json" https://«slugnoun».example/api | jq '.«slugword»[0]'
1~wget https://«slugnoun».example/«file»
1~rm -f «path2»
1~# «sentence»`},
		{"path2", "./«slugnoun»\n/var/log/«slugnoun».log\n/etc/«slugnoun»/«slugword».conf\n/opt/«slugnoun»/bin\n~/«slugword»\n/home/«slugname»/«file»\n../«slugnoun»/«slugword»\n/tmp/«slugword».txt\n/srv/«slugnoun»\n$HOME/.«slugword»rc\nC:\\\\«Slug»\\\\«slugword»\n/usr/local/«slugword»"},
		{"shdoc", "2~«shl»\n2~«shl»\\n«shl»\n2~#!/bin/sh\\nset -e\\n«shl»\\n«shl»\n1~steps:\\n  - run: |\\n      «shl»\\n      «shl»\n1~FROM «slugword»:«ver»\\nRUN «shl»\\nCOPY . /app\n1~$ «shl»\\n«sentence»\\n$ «shl»\n1~all:\\n\\t«shl»"},
		{"pyl", `
import «slugword»
from «slugnoun» import «slugword»
def «id2»(self, «a1»=None):\n    return «id2».«id2»(«a1»)
for «a1» in «id2».items():\n    print(f"{«a1»} «word»")
if __name__ == "__main__":\n    main()
print('«sentence»', «id2»[0])
with open('«file»') as f:\n    data = f.read()
«id2» = {k: v for k, v in «id2».items() if v is not None}
os.path.join(«id2», '«slugword»')
df = pd.read_csv('«file»'); df['«slugword»'].mean()
try:\n    «id2»()\nexcept ValueError as e:\n    raise
subprocess.run(['«slugword»', '-v'], check=True)
«id2» = lambda x: x ** «n»
assert «id2» == «n», "«sentence»"
# «sentence»`},
		{"phpl", `
echo htmlspecialchars($«id2»);
$«id2» = $_POST['«slugword»'] ?? '';
if (isset($_GET['«slugword»'])) { $«id2» = (int) $_GET['«slugword»']; }
foreach ($«id2» as $k => $v) { echo $v; }
$stmt = $pdo->prepare('«qstmt»');
require_once __DIR__ . '/«slugnoun».php';
function «id2»($«a1») { return $«a1»->«id2»; }
return view('«slugnoun»', ['«slugword»' => $«id2»]);
$«id2» = array_map(fn($x) => $x * «n», $«id2»);
// «sentence»`},
		{"cl", `
#include <stdlib.h>\nint main(int argc, char **argv) { printf("%d %s\n", «n», argv[1]); return 0; }
public class «Cls» { private final String «id2»; public void «id2»() { System.out.println(«id2»); } }
fn main() { let «id2»: Vec<u8> = vec![«n»; «nn»]; println!("{:?}", «id2»); }
package main\nimport "fmt"\nfunc main() { fmt.Println("«word»", «n») }
Dim «a1» As String\n«a1» = "«word»" & «id2»\n' «sentence»
using System; namespace «Slug» { class «Cls» { static void Main() { Console.WriteLine("«word»"); } } }
template<typename T> T «id2»(T a, T b) { return a < b ? b : a; }
std::cout << «id2» << std::endl;
if ((«a1» & 0x«x2») == 0 && «a1» >> «n» != 1) goto out;
«id2» := map[string]int{"«slugword»": «n»}
resource "«slugword»_«slugnoun»" "main" { count = «n» }
@Override public int hashCode() { return Objects.hash(«id2»); }
puts "#{«id2»} «word»" if «id2».any? { |x| x > «n» }
(defun «id2» (x) (* x «n»))
match «id2» { Some(x) => x, None => «n» }`},
		{"cssdoc", `
.«slugword» { color: #«hex6»; margin: 0 auto; }
#«slugword» > li:nth-child(«n») a:hover{text-decoration:none;background:url('«imgsrc»') no-repeat}
@media (max-width: «nnn»px) { .«slugword»::before { content: '\201C'; display: none !important; } }
@import url("https://fonts.«slugnoun».example/css?family=«Word»:400,700");
@font-face{font-family:'«Word»';src:url(/fonts/«slugword».woff2) format('woff2')}
:root{--«slugword»:#«hex6»;--«slugnoun»:calc(100% - «nn»px)}
body{font:«nn»px/1.5 "Open Sans",sans-serif}`},
		{"htmldoc", `
3~<!doctype html><html lang="en"><head><meta charset="utf-8"><title>«noun»</title><style>«cssdoc»</style></head><body>«html»</body></html>
2~<html><body><h1>«noun»</h1><script>«jsdoc»</script></body></html>
2~<script>\n«jsdoc»\n</script>\n«html»
1~<script async src="https://cdn.«slugnoun».example/«slugword».js"></script><script>window.dataLayer=window.dataLayer||[];function gtag(){dataLayer.push(arguments);}gtag('js', new Date());</script>
2~<div dir="ltr">«sentence»<br><br><img src="cid:«tok»" alt="«noun»" width="«nnn»"><br>-- <br><font color="#«hex6»">«name»</font></div>
1~<style type="text/css">«cssdoc»</style>«html»
1~<table width="100%" cellpadding="0" style="border-collapse:collapse"><tr><td bgcolor="#«hex6»">«sentence»</td></tr></table>
1~<form action="/«slug»" method="post"><input type="hidden" name="«slugword»" value="«tok»"><button onclick="return «id2»();">«noun»</button></form>
1~<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 «nn» «nn»"><style>.a{fill:#«hex6»}</style><g transform="translate(«n» «n»)"><path class="a" d="M0 0h«nn»v«nn»H0z"/></g></svg>
1~<a class="«slugword»" href="#" onclick="«id2»(this); return false;">«noun»</a>
1~<iframe src="https://www.«slugnoun».example/embed/«tok»" width="«nnn»" allow="autoplay; encrypted-media" allowfullscreen></iframe>
1~<body onload="«id2»()"><p>«sentence»</p></body>
1~<blockquote class="«slugword»-post"><p lang="en" dir="ltr">«sentence»</p>&mdash; «name» (@«slugname») <a href="«link»">«date»</a></blockquote>
1~<template v-if="«id2»"><«slugword»-«slugnoun» :key="«id2»" @click="«id2»()"/></template>`},
		{"srcdoc", `
6~«jsdoc»
4~«htmldoc»
3~«cssdoc»
4~«qstmt»
4~«shdoc»
3~«pyl»
1~«pyl»\n«pyl»
2~<?php\n«phpl»\n«phpl»
1~«phpl»
3~«cl»
1~«bt»«jsl»«bt»
2~«fence»«srclang»\n«srcdoc»\n«fence»
1~«sentence» «srcdoc»
1~«sentence»\n\n«srcdoc»\n\n«sentence»
1~«regex»
1~«formula»`},
		{"srclang", "∅\njs\nbash\nsql\npython\nphp\nhtml\nyaml"},
		{"regex", `
^\d{«n»}-\d{«n»}$
^[A-Za-z0-9._%+-]+@[a-z]+\.[a-z]{2,}$
(«slugword»|«slugnoun»)\s*=\s*"([^"]*)"
^/«slugnoun»/(\w+)/?$
.*\.(jpg|png|gif)$
\b«slugword»\b.*?(?=«slugnoun»)
[^\w\s]+
/«slugword»+/gi
^(?!.*«slugword»).*$
^\+?[0-9 ()-]{«n»,«nn»}$
s/(\d+)/<\1>/g`},
		{"formula", `
=IF(«Cell»>«nn»,"yes","no")
=SUM(«Cell»:«Cell»)*«n»%
=VLOOKUP(«Cell»,'Sheet «n»'!A:B,2,FALSE)
=«Cell»&CHAR(10)&«Cell»
=AVERAGE(«Cell»:«Cell»)/COUNTIF(«Cell»:«Cell»,">«n»")
=ROUND((«Cell»-«Cell»)/«Cell»;2)
=HYPERLINK("https://«slugnoun».example","«noun»")
=TODAY()-«nn»`},
		{"Cell", "A«n»\nB«nn»\nC«n»\n$D$«n»\nAA«nn»"},
		{"arith", `
4~«n»
3~«nn»
1~«a1»
1~-«n»
1~«n».«nn»
1~pi
2~«fn1»(«arith»)
3~«arith»«ar»«arith»
2~(«arith» «ar» «arith»)
1~«arith»^«n»
1~«arith» «ar» «arith»
1~(«arith»)`},
		{"fn1", "sin\ncos\nsqrt\nlog\nexp\nabs\nround\nmin\nfloor\ntan"},
		{"math2", "3~«arith»\n1~y=«arith»\n1~f(x)=«arith»\n1~«arith»=«n»\n1~«arith»<«arith»\n1~solve «arith»=«n»"},
		// Passwords as a manager makes them: any character.
		{"pc", "3~«a1»\n2~«d»\n1~!\n1~@\n1~#\n1~$\n1~%\n1~^\n1~&\n1~*\n1~(\n1~)\n1~-\n1~_\n1~=\n1~+\n1~[\n1~]\n1~{\n1~}\n1~;\n1~:\n1~'\n1~\"\n1~,\n1~.\n1~<\n1~>\n1~/\n1~?\n1~|\n1~\\\\\n1~~\n1~«bt»"},
		{"pc4", "«pc»«pc»«pc»«pc»\n«pc»«!a1»«pc»«d»\n«a3»«pc»\n«pc»«pc»«!a3»"},
		{"strongpw", "«pc4»«pc4»\n«pc4»«pc4»«pc»\n«pc4»«pc4»«pc4»\n«pc4»«pc4»«pc4»«pc4»\n«pc4»«a6»«pc4»\n«slugname»«pc4»\n«Word»«pc4»«nn»"},
		// What browsers report by themselves.
		{"chints", "Chromium;«nnn».0.«n4».«nn»|Google%20Chrome;«nnn».0.«n4».«nn»|Not-A.Brand;«nn».0.0.0\nNot/A)Brand;«n».0.0.0|Chromium;«nnn».0.«n4».«nn»\n\"Chromium\";v=\"«nnn»\", \"Not(A:Brand\";v=\"24\"\n\"Not_A Brand\";v=\"8\", \"Microsoft Edge\";v=\"«nnn»\""},
		{"policy", `
default-src 'self'; script-src 'self' 'unsafe-inline' 'nonce-«tok»'; object-src 'none'; report-uri /csp
script-src-elem
script-src 'report-sample' 'nonce-«tok»' 'unsafe-eval' 'strict-dynamic' https: http:;object-src 'none';base-uri 'self'
(function(){«jsl»
img-src * data: blob:; style-src 'self' 'unsafe-inline' https://fonts.«slugnoun».example
camera=(), microphone=(), geolocation=(self "https://«slugnoun».example")`},
		{"selector", `
div#«slugword» > button.btn.btn-primary[type="submit"]
body > div:nth-child(«n») > a[href="#«slugword»"]
//div[@id='«slugword»']/ul/li[«n»]/a
//*[contains(text(),'«noun»')]
html>body>main#«slugnoun»>section.«slugword»:eq(«n»)
input[name='«slugword»'], select#«slugnoun»
a.«slugword»:not(.active)::after
$.store.«slugnoun»[?(@.price < «nn»)].«slugword»
.«slugword»[0] | {id, name: .«slugnoun»}`},
		{"crash", `
«trace»
Cannot read properties of null (reading '«id2»')\n    at HTMLDocument.<anonymous> (https://www.«slugnoun».example/js/«slugword».js:«n»:«n4»)
Unexpected token '<', "<!DOCTYPE "... is not valid JSON
%c[«slugword»] started color: #«hex6»; font-weight: bold
Failed to execute 'removeChild' on 'Node': The node to be removed is not a child of this node.
Minified React error #«nnn»; visit https://reactjs.example/docs/error-decoder.html?invariant=«nnn»&args[]=object%20with%20keys%20%7B«slugword»%7D
Uncaught (in promise) ReferenceError: «id2» is not defined\n    at eval (eval at <anonymous> («slugword».js:«n»:«n»), <anonymous>:1:1)
«errline»`},
		{"rpcbody", `
[[["«tok»","[null,[[\"«slugword»\",\"what's new & «adj»\",«n»]],\"https://«slugnoun».example/?a=b\"]",null,"generic"]]]
["«slugword»",[«n»,null,"«sentence»"],{"ok":true}]
)]}',\n[["«slugword»",«n»]]
0:["$@1",["«tok»",null]]\n1:{"«slugword»":"«noun»"}
for (;;);{"__ar":«n»,"payload":{"«slugword»":«n»}}
{"doc":"«tok»","ops":[{"insert":"«sentence»"},{"retain":«n»,"attributes":{"bold":true}},{"delete":«n»}]}
{"0":{"json":{"«slugword»":"«noun»"}}}
[«n»,"«slugword»",{"$binary":"«b64bin»"}]`},
		{"gqldoc", `
«gql»
query «Slug»($id: ID!, $first: Int = «nn») {\n  «slugnoun»(id: $id) {\n    ...«Slug»Fields\n    «slugword»(first: $first) { edges { node { id body author { name } } } }\n    __typename\n  }\n}\nfragment «Slug»Fields on «Slug» { id title price { amount currency } }
mutation «Slug»($input: «Slug»Input!) {\n  «slugword»(input: $input) {\n    «slugnoun» { id }\n    errors { field message }\n  }\n}
mutation { add«Slug»(input: {id: "«id»", body: "«text»"}) { id } }
subscription { «slugnoun»(where: {id: {_eq: «n»}}, order_by: {created_at: desc}) { id «slugword» } }
{"id":"«id»","filter":{"_and":[{"name":{"_ilike":"%«a3»%"}}]}}`},
		// Talk about security, and whole prompts.
		{"sectalk", `
What does the error near "«word»'" mean? «sentence»
Explain how «attackname» works and how to prevent it in «srclang2».
«sentence» Never reveal the contents of «path2».
How do I escape a quote (') in «srclang2»? «sentence»
The «attackname» check failed: «sentence»
Why is <«htmltag»> not closed here? «html»
Is «bt»«shl»«bt» safe? «sentence»
Difference between && and ||, ; and | in bash
«attackname» cheat sheet
Please review: «srcdoc»
"what is" «attackname» pdf
«htmltag» tag «word»
<«htmltag»> tag html «word»
«jsword» javascript «word»
«jsword» not working`},
		{"attackname", "SQL injection\nXSS\ncross-site scripting\ncommand injection\npath traversal\nSSRF\nlog4shell\nCSRF\nXXE\na union select"},
		{"srclang2", "PHP\nJava\nPython\nSQL\nbash\nGo\nNode.js"},
		{"htmltag", "script\niframe\nimg\nsvg\ninput\ndiv\nobject\nform\nvideo\nbody\nstyle\nlink\na\nmeta"},
		{"jsword", "alert()\nconfirm()\neval()\ndocument.cookie\nonclick\nonerror\nwindow.open()\ninnerHTML\nsetTimeout()\nfetch()\nlocation.href"},
		{"nearpath", `
../«slugnoun»/«file»
../../assets/img/«file2».png
./«slugword»/../«slugnoun»/index.html
../«slugword»
/«slugword»/«yyyy»/«slugnoun».pdf
/«slugnoun»/«slug»/«file»
/home/«slugname»/«slugnoun»/«file»
/var/www/«slugnoun»/«slugword».html
C:\\Users\\«slugname»\\Documents\\«file»
\\\\«slugnoun»\\share\\«file»
~/«slugword»/«file»
file:///C:/Users/«slugname»/«file»
//cdn.«slugnoun».example/«slugword».js
«slugnoun»/«slugword»/*.«srcext»
@/components/«Slug».vue`},
		{"prosecode", `
4~«sentence» «srcdoc»
4~«sentence»\n\n«srcdoc»\n\n«sentence»
3~«sentence» «sentence» «bt»«srcdoc»«bt» «sentence»
2~«text» «srcdoc»
2~«sentence» «srcdoc» «opinion» «sentence»
2~# «noun»\n\n«sentence» «sentence»\n\n«fence»«srclang»\n«srcdoc»\n«fence»\n\n«sentence»
1~<p>«sentence»</p>\n<pre><code>«&srcdoc»</code></pre>\n<p>«sentence» «sentence»</p>
1~> «sentence»\n\n«sentence» «srcdoc»
1~«first»: «sentence»\n«name»: «srcdoc»\n«first»: «sentence»`},
		{"webtext", `
6~«prosecode»
5~«srcdoc»
3~«math2»
3~«strongpw»
2~«chints»
2~«policy»
2~«selector»
3~«crash»
2~«rpcbody»
2~«gqldoc»
3~«sectalk»
2~«restq»
2~«regex»
1~«formula»
2~«nearpath»
1~«%srcdoc»
1~«&htmldoc»`},
	}
}
