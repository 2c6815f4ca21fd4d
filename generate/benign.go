package generate

// benignRules are the values of honest parameters and bodies. Much of it is
// there to make rules cry wolf: apostrophes, words of SQL, code in text, tags
// in comments, base64, URLs in parameters, other alphabets, mathematics.
func benignRules() source {
	return source{
		{"query", `
18~«q»
4~«loan»
2~«loan» «loan»
1~«loan» «loan» «loan» «nn»
1~«!noun» «!word»
1~«?loan»
4~«hardtext»
2~«foreign»
1~«hardtext» «noun»
2~«quoted»
2~«searchops»
1~«units»
1~«alnumtext»
1~«tricky»`},
		{"q", `
5~«word»
3~«loan»
2~«loan» «loan»
1~«loan»-«loan»
1~«!word»
2~«?word»
1~«?loan»
2~«!noun» «!loan»
2~«loan» «a1»«n» «nn»GB («tok»)
1~«noun» «a1»«nn»-«n» (20«nn»)
1~«loan» («loan») «nn»x«nn»
1~«noun» [«noun»] «n»
6~«adj» «noun»
4~«product»
2~«noun» for «noun»
2~«noun» «word» «nn»
1~«noun» -«noun»
1~"«adj» «noun»"
1~«noun» + «noun»
1~«noun» under $«nn»
1~«noun» & «noun»
1~«word» «word» «word» «word» «word»
1~how to «verb» a «adj» «noun» with «noun» and «noun»?
1~«noun» «nn»cm x «nn»cm
1~«noun» 1/«n»" «adj»
1~«a3»
1~«company» «noun»
1~sku:«n6»
1~«noun» («adj»)
1~«noun»*
1~«noun» OR «noun»
1~#«noun»
1~50% off «noun»`},
		{"hardtext", `
select a plan
select «noun» from our «adj» collection
select the best «noun» where you live
union square «noun»
western union near «city»
student union and «noun» order by phone
drop-off «city»
drop table lamp «adj»
drop shadow css
insert coin «noun»
update my «noun» set
delete from cart
table top «noun» -- «adj»
where is my order?
order by «month»/«nn»
group by «noun» having «adj» «noun»
«noun» and «noun» or «noun» = «noun»
rock 'n' roll «noun»
o'reilly «noun» book
levi's 501
l'oreal «adj»
kid's «noun» size «nn»
'«noun»'
it's «adj», isn't it? -- «first»
5' 11" frame
1=1 identity explained
x > 0 and y < «n»
if a < b then c > d
c++ <vector> vs <map>
what does <b> do in html
<«noun»> tag
script writing course
javascript: the good parts
javascript alert tutorial
java.lang.NullPointerException at main
onclick vs onsubmit
onload event «noun»
document.cookie explained
eval() in python
img src alt text
how to use cat and grep
cat «noun»; dog «noun»
cat food | dry
ls -la meaning
ping pong table
sleep mask
sleep(8) hours
benchmark «noun» «nn»
curl «noun» iron
wget vs curl
id card holder
net user guide
echo dot «n»
kill bill vol. «n»
whoami t-shirt
windows system32 mug
etc. and so on
passwd command
/etc/hosts explained
../«noun»
«noun»/../«noun»
boot.ini poster
exec summary template
cast iron «noun»
char siu «noun»
concat strings excel
load file into «noun»
admin' desk
hex 0x«x4»
null
undefined
true
NaN
{{ «noun» }} template
${«noun»} in «word»
$100 gift & more
<3 «noun»
>:( «noun»
a=b&c=d
100% «noun»
:-) «adj»
(«noun»)
R&D «noun»
AT&T «noun»
H&M «noun» <«nn»€
«n»<x<«nn»
a||b&&c
«noun»;«noun»;«noun»
having «noun» = «noun»?
declare «noun» at customs
shutdown day «city»
waitfor «noun»
like '%«word»%'
select all
select distinct colours «noun»
truncate table saw
exec chair; «adj»
xp cmd «noun»
information schema «noun»
version() history
user() manual
iframe «noun»
svg «noun» onload
style="«adj»"
data:image/png
file:///home/«slugname»
php://«noun»
http://169.«nn».«nn».«n»
localhost:«n4»
127.0.0.1
metadata «noun»
jndi tutorial
ldap «noun»
xml <!doctype> meaning`},
		{"foreign", `
бесплатная доставка
Müller Straße «n»
café crème
naïve Bayes
ноутбук «nn»
купить «noun»
鞋子 «nn»
东京 «noun»
靴 «adj»
신발
حذاء «n»
שולחן
jalapeño
smörgåsbord
«noun» 😀
☕ «noun»
çanta
Łódź
παπούτσια
ไทย «nn»`},
		{"short", `
2~«loan»
1~«!word»
8~«word»
4~«noun»
2~«adj»-«noun»
2~«Tag»
1~«macro»
1~«quoted»`},
		{"Tag", `
new
sale
top-«nn»
c++
c#
node.js
.net
20%
A/B
é-«a3»
no:«nn»
«a3»_«n»
«noun» & «noun»`},
		{"sort", `
price
-price
name
created_at
created_at desc
price_asc
rating,desc
popularity
name:asc,price:desc
updated_at DESC
_score
+date
id`},
		{"fieldlist", `
id,name
id,name,price
*
id,email,role
name,(«noun»,«noun»)
user.name,user.id
id,«slugnoun»,«slugnoun»`},
		{"page", `
9~«n»
9~1
4~2
1~«nn»`},
		{"limit", `
6~20
4~10
3~50
2~100
1~25
1~12`},
		{"bool", `
true
false
1
0
yes
on`},
		{"lang", `
en
de
en-US
en-GB
fr-FR
es
pt-BR
zh-Hans
ru
ja
ar`},
		{"currency", `
EUR
USD
GBP
CHF`},
		{"tz", `
Europe/Berlin
America/New_York
Asia/Tokyo
UTC
GMT+«n»
America/Argentina/Buenos_Aires`},
		{"slug", `
1~«model»
3~«slugnoun»
2~«slugword»-«slugnoun»
2~«slugproduct»
1~«slugnoun»-«nn»`},
		{"price", `
4~«nn».99
2~«nnn»
1~«n».50
1~«nn»,«nn»`},
		{"name", `
2~«first» «loan»
1~«!first» «!last»
1~«loan»
7~«first» «last»
2~«first» «oddname»
1~«oddname»
1~«last», «first»
1~«first» «a1». «last»
1~Dr. «first» «last»
1~«first» "«adj»" «last»`},
		{"oddname", `
4~O'Brien
2~O'Connor
1~O'«last»
1~D'«last»
1~d'Arc
1~O’Neill
1~Null
1~Drop
1~Union
1~Select
1~van 't Hoff
1~Smith-«last»
1~«last»; «last»
1~Ó Súilleabháin
1~Müller-«last»`},
		{"mailhost", `
5~gmail.com
2~outlook.com
2~yahoo.com
1~icloud.com
1~web.de
1~mail.ru
2~example.org
1~«slugnoun».example.com
1~«slugnoun»-«slugword».example`},
		{"email", `
4~«slugname».«slugnoun»@«mailhost»
2~«slugname»«nn»@«mailhost»
1~«slugname»+«slugword»@«mailhost»
1~o'«slugnoun»@«mailhost»
1~«login»@«mailhost»
1~«slugname»_«slugnoun»«n4»@«mailhost»`},
		{"password", `
4~«tok»
3~«slugnoun»«nn»
2~«adj»«nnn»!
2~«slugname»«n4»
1~«tok»$«a3»'«n»
1~correct «noun» «word» «noun»
1~P@ss;«nn»--«a3»
1~<«a6»>«nn»
1~«noun»&«noun»=«nn»
3~«strongpw»
1~«tok22»`},
		{"phone", `
+49 «nnn» «n6»
(«nnn») «nnn»-«n4»
+1-«nnn»-«nnn»-«n4»
00«nn»«n6»«nn»
+33 «n» «nn» «nn» «nn» «nn»`},
		{"address", `
4~«street»
1~«street», Apt. #«nn»
1~«n» rue de l'«noun»
1~«last»straße «n»/«nn»
1~c/o «first» «last»; «street»
1~P.O. Box «nnn»
1~«street» -- rear entrance`},
		{"file", `
3~«slugnoun»-«slugword».pdf
2~IMG_«n6».jpg
1~report.final.v«n».xlsx
1~«noun» («n»).docx
1~backup-«date».tar.gz
1~«slugnoun».min.js
1~Screenshot «date» at «hh».«mm».«mm».png
1~«slugnoun».config.json
1~«first»'s «noun».pptx
1~.«slugnoun»rc
1~«slugnoun»..final.txt
1~données_«nnn».csv
1~user_passwords_howto.md`},
		{"folder", `
«slugnoun»/«file»
docs/«slugword»/«file»
/home/«slugname»/«file»
C:\Users\«first»\Documents\«file»
./«slugnoun»/«file»
shared/../«slugnoun»/«file»
\\«slugnoun»\share\«file»
~/«slugnoun»/«file»
/usr/share/doc/«slugnoun»/«file»
«slugnoun»/`},
		{"url", `
4~https://www.«slugnoun».example/«slug»
3~/«slug»
3~/account/orders?page=«n»
3~«adurl»
2~https://«slugnoun».example.com/«slug»?utm_source=«word»&utm_medium=email&id=«nnn»
1~https%3A%2F%2F«slugnoun».example%2F«slug»
1~//cdn.«slugnoun».example/«file»
1~http://localhost:«n4»/callback
1~http://192.168.«nn».«n»:8080/«slug»
1~https://«slugnoun».example/search?q='«noun»'&lang=«lang»
1~myapp://open/«slug»
1~mailto:«email»?subject=«adj»%20«noun»
1~https://user:«tok»@«slugnoun».example/hook
1~https://«slugnoun».example/a;b=1/../«slug»#top
1~data:image/png;base64,«b64bin»
1~«jslink»
1~«macro»
1~«link»
1~«inurl»
1~%2F«slug»%3Fa%3D«n»%26b%3D«slugword»
1~«%adurl»
1~/«slug»?next=«%url»`},
		// Addresses of advertising and tracking: long, dense, full of separators.
		{"adurl", `
1~http://ad.«slugnoun».example/adi/«a1»«n».«a3»/«a3»/«a3»;sz=«nnn»x«nn»;click=http://ads.g.«slugnoun».example/aclk%3Fsa%3Dl%26ai%3D«tok22»
1~http://ad.«slugnoun».example/ad/N«n4».«Word»/B«big».«nnn»;sz=1x1;ord=«big»«n4»?
1~http://view.«slugnoun».example/«a3»/view/«big»/direct/01/
1~http://static.«a3».«slugnoun».example.net/rsrc.php/z«x4»/hash/«tok».js
1~__utma=«big».«big».«big».«big».«big».«n»;+__utmz=«big».«big».«n».«n».utmcsr=«slugnoun»|utmccn=(referral)|utmcmd=referral|utmcct=/«slug»;
1~utmcsr=«slugnoun»|utmccn=(organic)|utmcmd=organic|utmctr=«slugword»%20«slugnoun»
1~;«n»;«nn»;«nnn»;«nnn»;«n4»;«n4»
1~|«nn»|«nnn»|«n4»|
1~http://«slugnoun».example/%
1~http://«slugnoun».example/«slug»%3
2~https://ads.«slugnoun».example/click?cid=«big»&pub=«n6»&pos=«slugword»&rnd=«big»&size=«nnn»x«nnn»&url=https%3A%2F%2Fwww.«slugnoun».example%2F«slug»
1~http://«slugnoun».example/ad/«a3»/«slugword»;sz=«nnn»x«nnn»;ord=«big»;click=http://«slugword».example/r?ai=«opaque»
1~https://«slugnoun».example/sig=«tok»/M=«n6».«big»/D=«slugword»/S=«big»:«a3»/_ylt=«tok22»/B=«tok22»/J=«big»/A=«n6»/R=«n»/*https://«slugword».example/«slug»
1~https://t.«slugnoun».example/i?e=pv&page=«slugword»%20«slugnoun»&tid=«n6»&vp=«nnn»x«nnn»&ds=«nnn»x«n4»&cs=UTF-8&tz=«tz»&res=«nnn»x«nnn»&cx=«tok22»
1~https://«slugnoun».example/«file»?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=«tok»%2F«date»%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Signature=«hex32»
1~https://maps.«slugnoun».example/@«latlon»,«nn»z/data=!3m1!4b1!4m6!3m5!1s0x«hex8»:0x«hex8»!8m2!3d«n».«n4»!4d«n».«n4»
1~https://www.«slugnoun».example/index.php?option=com_«slugword»&view=«slugnoun»&id=«nn»:«slug»&Itemid=«nnn»&tmpl=component`},
		{"opaque", `
2~«tok22»|«tok22»:«tok»-«tok22»=«tok»
1~«tok»!«tok22»*«tok»~«nnn»
1~«nnn».«big».«big».«n»
1~fb.1.«big».«tok22»
1~z=«nnn»x«nnn»&cb=«big»&x=«tok»,«tok»,;
1~(«slugword»:«n»,«slugnoun»:'«slugword»',f:!(«nn»,«nn»))
1~[«nn»,«nn»,[«n»,"«a6»"]]
1~a:«n»|b:«slugword»|c:«tok»;d=«n»
1~%7B%22«slugword»%22%3A«n»%7D
1~«hex40»--«tok»
1~«x4»:«x4»:«x4»::«x2»
1~«slugword»==«n»`},
		{"token", `
1~«viewstate»
1~«serial»
4~«tok22»
2~«opaque»
3~«hex32»
2~«uuid»
2~«jwt»
1~«b64bin»
1~«n6»`},
		{"code", `
for (let i = 0; i < «n»; i++) { console.log(«slugnoun»[i]); }
if (x > «n» && y != null) return '«word»';
SELECT «slugnoun», «slugword» FROM «slugnoun»s WHERE id = «nn» ORDER BY «slugword»;
select count(*) from «slugnoun» group by «slugword» having count(*) > «n»
UPDATE «slugnoun» SET «slugword» = '«noun»' WHERE id = «n»; -- fix
def «slugnoun»(x):\n    return x ** «n»
#include <stdio.h>\nint main(void) { printf("«word»"); }
<div class="«slugnoun»"><p>«sentence»</p></div>
<script src="https://cdn.«slugnoun».example/«slugnoun».js"></script>
document.getElementById("«slugnoun»").onclick = () => alert("«word»");
<a href="#" onclick="return false;">«noun»</a>
cat «slugnoun».log | grep ERROR | sort | uniq -c
tar -xzf «slugnoun».tar.gz && cd «slugnoun» && make
$ curl -s https://«slugnoun».example/install.sh | sh
sudo chmod 644 /etc/«slugnoun».conf
ls -la /var/log; tail -f /var/log/«slugnoun».log
public static void main(String[] args) { System.out.println("«word»"); }
{{ «slugnoun».«slugword» | upper }}
{% for x in «slugnoun» %}{{ x }}{% endfor %}
export PATH=$PATH:$HOME/«slugnoun»/bin
const f = (a, b) => a || b;
<?php echo $«slugnoun»; ?>
import os; os.path.join("..", "«slugnoun»")
<img src="«slugnoun».png" alt="«noun»">
.«slugnoun» > li { color: #«x4»; content: '\201C'; }
^[a-z]{«n»,}\d+$
{"«slugnoun»": [1, 2, «n»], "q": "it's"}
git commit -m "«verb» «noun»" && git push
var x = eval("(" + «slugnoun» + ")");
<!ENTITY «slugnoun» "«word»">
NullPointerException: Cannot invoke "String.length()" because "<local«n»>" is null
${«slugnoun»:-default}
docker run --rm -v $(pwd):/app «slugnoun»:latest
WHERE name LIKE '%«word»%' OR name IS NULL`},
		{"text", `
5~«sentence»
2~«loan» «loan» «loan» «loan», «loan» «loan» «loan». «loan» «loan»?
1~«!sentence»
1~«sentence» «loan» «loan» «loan»
3~«sentence» «sentence»
2~«phrase»
2~«opinion»
2~«sentence» «code» «sentence»
2~How do I «verb» this? «code»
1~«first»'s «noun» didn't «verb». «sentence»
1~«sentence» «hardtext»! «sentence»
1~«hardtext» - «sentence»
1~<b>«adj»</b> «noun», would buy again :)
1~<p>«sentence»</p><p>«sentence»</p>
1~«sentence»<br/>«sentence»
1~«sentence» "«code»" «sentence»
1~«code»
1~«foreign» «foreign» «sentence»
1~Hi,\n\n«sentence» «sentence»\n\nThanks,\n«first»
1~- «noun»\n- «noun»\n- «noun»
1~> «sentence»\n\nI don't agree; «noun» == «noun»?
1~See https://«slugnoun».example/«slug»?x=«n»&y=«n» (section «n»).
1~1) «noun»; 2) «noun»; 3) «noun» -- «first»
1~**«noun»**: [«word»](https://«slugnoun».example)
1~“«sentence»” – «name»
1~Room 12' x «n»' / «nn» m² … «sentence»
1~«html»
1~«report»
1~«quoted» «sentence» «tricky»
1~«tricky»
2~«webtext»
1~«sentence» «webtext»
1~«sentence» «sentence» «tricky» «sentence»
1~«chat»
1~My email is «email» & phone «phone».
1~«noun» = «noun» * («n» + «nn») / «n» ; x² > «n»`},
		{"opinion", `
Great «noun»! 10/10
The «noun» is «adj» but the «noun» isn't.
Doesn't fit. Returned it.
ok
👍👍
I'd select it again from the union of all «noun»s
Can't log in since the last update; pls help
works, or does it?
«adj»!!!
Where do I drop off the parcel? It's too «adj»...`},
		// A data grid's own query language, in JSON.
		{"gridfilter", `
3~[{"op":"eq","field":"«slugword»","val":"«noun»"}]
3~[{"op":"in","field":"«slugnoun»","val":["«slugword»","«slugnoun»"]},{"op":"gt","field":"price","val":«nn»}]
2~[{op:'between', field:'«slugword»', val:['«date»','«date»']},{op:'eq', field:'«slugnoun»', val:«n»}]
6~«anyjson»
2~{"groupOp":"AND","rules":[{"field":"«slugnoun»","op":"cn","data":"«slugword»"},{"field":"«slugword»","op":"eq","data":"«nn»"}]}
2~{"where":{"status":"«slugword»","total":{"lt":«nnn»}},"order":["-id","«slugnoun»"],"limit":«nn»}
1~{"$and":[{"status":{"$in":["«slugword»","«slugnoun»"]}},{"qty":{"$gte":«n»}}]}`},
		{"gridcols", `
[{"name":"«slugnoun»","width":«nnn»},{"name":"«slugword»","width":«nn»,"align":"right"}]
[{"name":"id","hidden":true},{"name":"«slugnoun»","title":"«noun»"},{"name":"total","formatter":"currency"}]
[{'name':'«slugnoun»','width':«nnn»},{'name':'«slugword»','width':«nn»,'sortable':false}]
[{'name':'«slugnoun»Name','width':«nnn»},{'name':'«slugword»Name','width':«nnn»},{'name':'«slugnoun»','width':«nn»,'sortable':false},{'name':'id','hidden':true}]
[{op:'eq', field:'id', val:'«slugnoun»«hex32»'}]
[{op:'in', field:'«slugword»', val:['«noun»','«word»']},{op:'like', field:'«slugnoun»', val:'%«a3»%'}]
{sort:'«slugword»',dir:'DESC',start:«nn»,limit:«nn»}
['id','«slugnoun»','«slugword»']
{'«slugword»':'«noun»','«slugnoun»':{'min':«n»,'max':«nn»},'ok':true}
["id","«slugnoun»","«slugword»"]
«anyjson»`},
		// Page names as a shop in another script writes them.
		{"model", `
«loan»-«a1»«n»-«nn»GB-(«tok»)
«slugnoun»-«!slugword»-(«yyyy»)-«nn»gb
«loan»_«a1»«nnn»_(«n»)
«slugword»-«nn»-«nn»cm-(«loan»)
«loan»-«a3»-«n»x«nn»-[«slugword»]
«slugnoun»+«slugword»+(«nn»-pack)
«loan»,-«slugnoun»,-«nnn»-ml
«slugnoun»--«slugword»--«n»
«loan»-Plus-«yyyy»-Dual-«nn»GB-(«a1»«nnn»«a1»)`},
		{"intlslug", `
бесплатно-«loan»-(«yyyy»)-«nn»GB-(«tok»)
یخچال-(«n»)-«loan»-«nn»
文庫-«slugword»-(«nn»巻)
«loan»-«loan»-«model»
دليل-«slugnoun»-(«yyyy»)
бесплатная-доставка-«n»
ноутбук-«slugnoun»-«nn»
купить-«slugword»
東京-«slugnoun»
鞋子-«nn»
신발-«slugword»
حذاء-رياضي-«n»
یخچال-فریزر-«slugnoun»
گوشی-موبایل-«slugword»-«nn»
שולחן-«n»
παπούτσια-«slugnoun»
รองเท้า-«nn»
çanta-«slugword»
łódź-«slugnoun»`},
		{"expr", `
price>«nn»
price > «nn» and color = '«noun»'
status eq 'open' and total gt «nn»
(«slugnoun» OR «slugnoun») AND NOT «slugword»
«slugnoun»:«slugword»
created>=«date»
«slugnoun»[gte]=«n»
{"price":{"$gt":«nn»}}
name like '«a3»%'
tag in ('«noun»','«noun»')
a.b == «n» || c != "«word»"
-«slugnoun» +«slugword»
id:(«nn» «nn» «nn»)
startswith(name,'«a3»')
substringof('«word»',title) eq true`},
		{"math", `
2*(3+«n»)
x^2 + «n»x - «nn» = 0
sqrt(«nn»)/«n»
1<2
(a+b)*(c-d)
sin(x) > «n»/«nn»
«n»*«n»
100% - «nn»%`},
		{"gql", `
query { product(id: «pid») { id name price } }
query GetOrders($first: Int!) { orders(first: $first) { edges { node { id total } } } }
mutation { addToCart(productId: «pid», qty: «n») { total } }
{ me { id email orders(last: «n») { id } } }
query S($q: String) { search(q: $q) { ... on Product { id name } } }
query { products(filter: {name: "«noun»", maxPrice: «nn»}) { id } }`},
		{"ids", `
«pid»
«pid»,«pid»
«pid»,«pid»,«pid»,«pid»`},
		{"qty", `
6~1
2~2
1~«n»`},
		{"latlon", `
4«n».«n6»
-7«d».«n6»
5«d».«n4»,«n».«n4»`},
		{"ver", `
«n».«n».«n»
«n».«nn».0-beta.«n»
«date»
v«n»`},
		{"size", `
s
m
l
xl
«nn»
«nn»x«nn»
1/2"`},
		{"color", `
red
#«x2»«x2»«x2»
navy blue
black/white`},
		{"ts", `
17«n6»«nn»
17«n6»«nn»«nnn»
«date»T«hh»:«mm»:«mm»Z
«date»T«hh»:«mm»:«mm»+02:00`},
		{"grant", `
refresh_token
password
authorization_code`},
		{"event", `
page_view
click
add_to_cart
scroll
purchase
js_error`},
		{"err", `
4~null
2~TypeError: Cannot read properties of undefined (reading '«slugnoun»')
1~Uncaught ReferenceError: «slugnoun» is not defined at https://cdn.example/«slugnoun».js:«n»:«n4»
1~Script error.
1~SyntaxError: Unexpected token '<', "<!DOCTYPE "... is not valid JSON
1~SQLSTATE[42S02]: Base table or view not found: 1146 Table '«slugnoun»' doesn't exist`},
		{"coupon", `
SAVE«nn»
«a6»-«nn»
WELCOME
SPRING26`},
		{"mixed", `
5~«webtext»
9~«tricky»
7~«q»
2~«text»
1~«code»
1~«url»
1~«token»
1~«expr»
1~«name»
1~«email»
1~«math»
1~«address»
1~«folder»
2~«foreign»
2~«hardtext»
1~«opaque»
2~«word»
1~«sentence»
1~«file»
2~«id»`},
		{"pname", `
q
id
name
ref
src
tag
key
val
data
text
item
title
cat
type
filter
msg
u
p
s
lang
view
file
user
from
to
mode
note
k«n»`},
		{"array", `
[{"id":«pid»,"qty":«qty»}]
[{"id":«pid»,"qty":«qty»},{"id":«pid»,"qty":«qty»}]
[«pid»,«pid»]
["«slugnoun»","«slugword»"]`},
		{"object", `
{"width":«nnn»,"height":«nnn»}
{"q":"«slugword»","first":«n»}
{"id":«pid»}
{"utm":"«slugword»"}`},
		// Files and pages that an honest client asks for in vain.
		{"deadpath", `
4~/favicon.ico
3~/apple-touch-icon.png
3~/apple-touch-icon-precomposed.png
2~/apple-touch-icon-120x120.png
2~/ads.txt
2~/.well-known/assetlinks.json
2~/.well-known/apple-app-site-association
2~/browserconfig.xml
1~/humans.txt
1~/.well-known/security.txt
1~/.well-known/traffic-advice
2~/sitemap_index.xml
2~/feed
1~/rss.xml
1~/wp-content/uploads/«date»/«file2».jpg
2~/p/«slug»
2~/blog/«slug»/«slug»
1~/c/«slug»,
1~/c/«slug»)
1~/p/«slug»"
1~/index.html
1~/index.php
1~/static/js/«slugnoun».«hex8».js.map
1~/blog/«slug»/%22%3E«slugword»%3C/a%3E
1~/«slugnoun»/&lt;«slugword»&gt;«n»&lt;/«slugword»&gt;
1~/«slug»%22%20target=%22_blank
1~/blog/%22%20class=%22«slugword»%22%20title=%22«slugnoun»%22%3E«slug»%3C/a%3E%20%3C/p%3E
1~/«slug»/'+«slugword»+'
1~/p/«slug»/%3C%25=«slugword»%25%3E
1~/p/«slug»%3C/a%3E%3Cbr%3E
1~/static/img/'%20+%20«slugword»%20+%20'.png
1~/«slug»/https://www.«slugnoun».example/«slug»
1~/p/../static/css/app.css
1~/«slug»/%E2%80%A6
1~/blog/«slug»%20(«slugword»)
1~/«slug»/javascript:;
1~/«slug»/javascript:void(0)
1~/static/js/document.location.protocol
1~/static/js/location.href
1~/«slugnoun»/window.location.host
1~/static/js/).length,«a1».«slugword»=!!«a1».getElementsByTagName(
1~/static/js/))+%22«slugword»%22+(«a1»?%22«a3»%22:%22
1~/«slugnoun»/+this.«slugword»+
1~/«slug»/this.href
4~/p/«slug»/&lt;«slugword»&gt;true&lt;/«slugword»&gt;
2~/blog/«slug»/%3C«slugword»%3Etrue%3C/«slugword»%3E
2~/c/«slugnoun»/?lt;«slugword»&gt;true&lt;/«slugword»&gt;
2~/https://«slugnoun».example/«slug»
1~/https:/«slugnoun».example/«slugword»
1~/http://localhost:«n4»/«slugnoun»/
1~/audio/x-ms-wma
1~/text/«slugword»
1~/docs/class_«slugnoun»%3C!DOCTYPE%20html%20PUBLIC
1~/«slugnoun»/%22file://$file/%22
1~/«slugnoun»/undefined
1~/«slugnoun»/[object%20Object]
1~/«slugnoun»/${«slugword»}
1~/«slugnoun»/«slugword»-???????????????/
1~/«slug»/mailto:«slugname»@«slugnoun».example
1~/«slugnoun»/%5C%22/«slug»%5C%22
1~/%7B%7B%20«slugword».url%20%7D%7D
1~//static/js/app.js
1~/«slug»/index.php/«slug»/index.php
1~/'
1~/«slug»';
1~/static/img/undefined
1~/static/img/{{item.id}}
1~/p/{{product.slug}}
1~/media/%24%7Bid%7D.webp
1~/undefined
1~/[object%20Object]
1~/api/products/undefined
1~/api/products/null
1~/download/«slugnoun»-backup.zip
1~/admin-guide.pdf
1~/config
1~/login.html
1~/sitemap.xml.gz`},
		{"file2", `
«slugnoun»
«slugword»-«nn»
img«n4»`},
	}
}

// agentRules are the agents of early 2026, with the old ones that never die.
func agentRules() source {
	return source{
		{"cv", `
30~145
14~144
6~143
3~142
2~141
2~139
1~138
1~136
1~131
1~126
1~120
1~109
1~146`},
		{"mac", `
9~10_15_7
1~10_14_6`},
		{"ios", `
12~18_«iosm»
4~17_«iosm»
2~16_7_«n»
1~15_8_«n»
3~26_«iosm»`},
		{"iosm", `
0
1
2
3
4
5
6
3_1
5_1`},
		{"android", `
10~14
9~15
7~13
4~12
3~11
4~16
2~10
1~9`},
		{"phone2", `
SM-S921B
SM-S928B
SM-A546B
SM-A155F
SM-G991B
Pixel 8
Pixel 9 Pro
Pixel 7a
Redmi Note 13
23021RAA2Y
2201117TG
CPH2581
CPH2239
moto g84 5G
V2317
M2101K6G
XQ-DC54
RMX3890`},
		{"agentBrowser", `
30~Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/«cv».0.0.0 Safari/537.36
20~Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/«cv».0.0.0 Mobile Safari/537.36
22~Mozilla/5.0 (iPhone; CPU iPhone OS «ios» like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.«n» Mobile/15E148 Safari/604.1
9~Mozilla/5.0 (Macintosh; Intel Mac OS X «mac») AppleWebKit/537.36 (KHTML, like Gecko) Chrome/«cv».0.0.0 Safari/537.36
8~Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.«n» Safari/605.1.15
6~Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/«cv».0.0.0 Safari/537.36 Edg/«cv».0.0.0
4~Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0
1~Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0
1~Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0
1~Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0
2~Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/«cv».0.0.0 Safari/537.36
3~Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36
2~Mozilla/5.0 (Linux; Android «android»; «phone2» Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/«cv».0.«n4».«nn» Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/540.0.0.«nn».«nn»;]
2~Mozilla/5.0 (iPhone; CPU iPhone OS «ios» like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 402.0.0.«nn».«nn»
1~Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/«cv».0.0.0 Safari/537.36 OPR/«nnn».0.0.0
1~Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko
1~Mozilla/5.0 (iPad; CPU OS 15_8_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Mobile/15E148 Safari/604.1`},
		{"agentApp", `
12~okhttp/4.12.0
4~okhttp/5.1.0
2~okhttp/3.14.9
12~Shop/«appver» (iPhone; iOS 18.«n»; Scale/3.00)
5~Shop/«appver» CFNetwork/1568.300.101 Darwin/24.«n».0
3~Dalvik/2.1.0 (Linux; U; Android «android»; «phone2» Build/AP2A.240805.005)
6~Shop/«appver» (Android «android»; «phone2»)
2~Dart/3.«n» (dart:io)
1~Dalvik/2.1.0 (Linux; U; Android 6.0; «phone2» Build/MRA58K)`},
		{"appver", `
8~6.4.1
5~6.4.0
3~6.3.2
2~6.1.0
1~5.9.7
1~4.12.3`},
		{"agentPartner", `
5~python-requests/2.32.3
3~Go-http-client/2.0
3~Go-http-client/1.1
3~Java/17.0.«nn»
2~Apache-HttpClient/4.5.14 (Java/17.0.11)
3~axios/1.7.«n»
2~okhttp/4.12.0
2~GuzzleHttp/7
1~python-httpx/0.27.2
2~node
1~Ruby
1~PostmanRuntime/7.43.0`},
		{"agentScript", `
6~curl/8.5.0
2~curl/7.88.1
5~python-requests/2.32.3
2~python-requests/2.28.1
2~PostmanRuntime/7.43.0
2~Go-http-client/1.1
1~Wget/1.21.4
1~axios/1.7.2
2~Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/«cv».0.0.0 Safari/537.36
1~PowerShell/7.4.6
1~insomnia/10.3.0
1~libwww-perl/6.72`},
		{"agentCrawler", `
8~Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
6~Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.7632.«nn» Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
5~Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/136.0.0.0 Safari/537.36
2~Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)
2~Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)
2~Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)
1~Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)
1~DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)
1~facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)`},
		{"agentMonitor", `
3~Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)
2~kube-probe/1.31
2~ELB-HealthChecker/2.0
2~Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)
1~Prometheus/2.53.0
1~curl/8.5.0`},
		{"extref", `
9~https://www.google.com/
2~https://www.bing.com/
1~https://duckduckgo.com/
1~https://www.facebook.com/
1~https://l.instagram.com/
1~https://t.co/«tok»
1~android-app://com.google.android.gm/
1~https://www.«slugnoun».example/«slug»
1~https://www.google.de/search?q=«slugnoun»+«slugword»`},
	}
}
