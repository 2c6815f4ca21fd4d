package features

import (
	"bytes"
	"strings"
)

// Word flags. A word may carry several.
const (
	wSQL      = 1 << iota // counted by sql_words
	wVerb                 // begins a statement
	wFunc                 // SQL function that payloads call
	wCatalog              // names the inside of a database
	wLogic                // or, and, …
	wCompare              // like, in, …
	wTag                  // HTML tag
	wActive               // tag that runs or loads something
	wScript               // called or indexed by scripts
	wMember               // behind document. and the like
	wCommand              // shell command
	wCommon               // shell command that is a common word, too
	wScheme               // wrapper scheme
	wServer               // server-side code
	wOperator             // NoSQL operator behind $
	wEtc                  // file below /etc or /proc
	wFile                 // sensitive wherever it stands
)

// word is an entry of the lexicon.
type word struct {
	flags uint32
	bit   uint8 // of wSQL words: which one
}

// lexicon holds the words and lists that the evidence is looked up in. It is
// immutable.
type lexicon struct {
	words    map[string]word
	lengths  [256]uint64 // by first byte: bit n set if a word of n bytes begins with it
	events   []string    // event handlers without "on", as prefixes
	assets   map[string]bool
	logins   []string
	segments [256][]string // well-known probes, by first byte of the path segment that they begin
	anywhere []string      // the same, wherever they stand in the path
	endings  []string      // the same, at its end
	agents   [4][]string   // scanner, library, bot, app: substrings of the lower-case agent
}

func newLexicon() *lexicon {
	l := &lexicon{words: map[string]word{}, assets: map[string]bool{}}
	l.add(wSQL|wVerb, "select insert update delete drop alter create truncate exec execute declare union shutdown grant replace")
	l.add(wSQL, "from where into values table database having group order limit offset join set null distinct as by all procedure case when then else end begin cast convert")
	l.add(wFunc, `sleep benchmark pg_sleep extractvalue updatexml load_file concat concat_ws group_concat char chr ascii substring substr mid ord hex unhex ifnull
		make_set elt utl_inaddr utl_http dbms_pipe dbms_lock ctxsys xmltype randomblob convert cast version database schema user current_user
		system_user session_user receive_message get_host_address load_extension exp floor rand count length json_keys exists nvl string_agg array_agg
		quote_literal row_to_json sqlite_version db_name is_srvrolemember openrowset opendatasource bin_to_num elt strcmp bit_length row`)
	l.add(wCatalog, `information_schema sysobjects syscolumns sysusers pg_catalog pg_user pg_shadow sqlite_master sqlite_schema all_tables user_tables all_tab_columns
		v$version xp_cmdshell xp_dirtree xp_fileexist xp_regread sp_executesql sp_password sp_makewebtask msysaccessobjects table_name table_schema column_name waitfor
		outfile dumpfile dual msdb mysql_user rdb$database sysibm sysdummy1`)
	l.add(wLogic, "or and xor having where")
	l.add(wCompare, "like rlike regexp between in is ilike glob similar sounds div")
	l.add(wTag, `a b i u p br div span html head table tr td th h1 h2 h3 ul li input textarea select option button label center font body title pre code strong em
		abbr blockquote canvas caption section article header footer nav main aside tt s noscript keygen`)
	l.add(wTag|wActive, `script iframe svg img image object embed applet math base meta link form style video audio source details marquee frame frameset
		isindex bgsound layer animate animatetransform animatemotion set foreignobject xml template xss portal dialog use body input`)
	l.add(wScript, `alert prompt confirm eval settimeout setinterval settimeout function fetch atob btoa importscripts constructor fromcharcode expression write
		writeln document window location self top parent frames globalthis this xmlhttprequest innerhtml outerhtml string unescape decodeuri decodeuricomponent
		execscript activexobject console import onerror throw reflect getelementbyid getelementsbytagname`)
	l.add(wMember, `cookie location domain write writeln body documentelement defaultview url referrer href hash name innerhtml outerhtml createelement getelementbyid
		alert eval localstorage sessionstorage open assign replace constructor execcommand queryselector appendchild addeventlistener log fromcharcode`)
	l.add(wCommand, `cat ls whoami uname pwd nslookup curl wget nc ncat netcat bash sh zsh dash ksh csh tcsh python python2 python3 perl ruby php nodejs printenv netstat ifconfig ipconfig
		tasklist systeminfo powershell pwsh cmd certutil bitsadmin rm mv cp chmod chown mkdir rmdir grep egrep awk gawk sed xargs nohup sudo passwd useradd crontab ssh scp
		tftp telnet socat openssl base64 xxd gcc tracert traceroute ping wmic schtasks mshta rundll32 regsvr32 cscript wscript phpinfo ps env echo sleep lsof iptables
		systemctl apt yum docker kubectl busybox gethostbyname printf attrib taskkill findstr lwp hping hping3 nmap`)
	l.add(wCommand|wCommon, `id at w who more less head tail find set dir type net last time date host hostname start kill su ftp vi make test touch tee sort cut df du mount route
		arp ver reg sc timeout history which wc tr strings tar zip unzip git node java go shutdown reboot halt exit export source read let true false copy move del md rd print
		file diff od users groups dig expr man lua service top`)
	l.add(wScheme, "php file gopher dict expect phar zip glob ldap ldaps ldapi rmi jar netdoc ogg ssh2 tftp sftp zlib rar dns iiop corba nds local_file")
	l.add(wServer, `phpinfo system passthru shell_exec proc_open popen pcntl_exec assert create_function call_user_func call_user_func_array base64_decode gzinflate str_rot13
		file_get_contents file_put_contents fwrite fopen preg_replace invokefunction move_uploaded_file
		__import__ __class__ __globals__ __builtins__ __mro__ __subclasses__ __init__ processbuilder getruntime forname newinstance scriptenginemanager
		child_process execsync spawnsync execfile os_system getengine multiplexer freemarker ognl memberaccess actioncontext defaultmemberaccess classloader`)
	l.add(wOperator, "ne gt lt gte lte nin regex where exists elemmatch eq in or and nor not all mod size type text expr function jsonschema")
	l.add(wEtc, `passwd shadow hosts group gshadow issue crontab sudoers apache2 apache nginx httpd ssh mysql my fstab motd resolv hostname init profile
		environment security redhat-release debian_version services self version cmdline cpuinfo mounts net environ meminfo sched_debug php5 php nsswitch pam logrotate vsftpd`)
	l.add(wFile, `htaccess htpasswd id_rsa id_dsa authorized_keys bash_history known_hosts system32 inetpub access_log error_log wp_config localsettings proftpd winnt
		win32k ntds`)

	l.events = strings.Fields(`abort activate after animation auxclick before begin blur bounce canplay cellchange change click close contextmenu copy cuechange cut dataavailable
		dblclick deactivate drag drop durationchange emptied end error filterchange finish focus formdata fullscreen gotpointer hashchange help input invalid key layoutcomplete load
		losecapture lostpointer media message mouse move online offline orientation page paste pause play pointer popstate progress propertychange ratechange readystate redo repeat
		reset resize reverse rowexit rows scroll search security seek select show slot stalled start stop storage submit suspend syncrestored time toggle touch track transition
		undo unhandled unload url volumechange waiting webkit wheel`)
	for _, e := range strings.Fields(`css js mjs map png jpg jpeg gif svg ico webp avif bmp woff woff2 ttf otf eot mp4 webm mp3 ogg wav m4a m3u8 ts flv swf pdf`) {
		l.assets[e] = true
	}
	l.logins = strings.Fields("login logon signin sign-in sign_in log-in log_in authenticate authn oauth token session password passwd otp mfa 2fa sso xmlrpc")
	for _, p := range strings.Fields(`.env .git .svn .hg/ .aws .ssh .ds_store .htpasswd .htaccess .vscode .idea wp-login wp-admin wp-config wp-content/plugins xmlrpc.php
		pma/ myadmin mysqladmin adminer phpinfo info.php server-status server-info cgi-bin/ manager/html jmx-console web-console invoker/ actuator
		console/ solr/ jenkins hudson struts vendor/phpunit boaform wls-wsat asyncresponseservice fgt_lang dana-na/ mgmt/tm/ hnap1 setup.cgi shell cmd.php c99 r57 webshell backup dump.sql
		web.config config.php config.json config.yml composer.json package.json id_rsa debug trace.axd elmah.axd owa/ autodiscover
		nmaplowercheck sdk evox gponform cgi/ ecp/ telescope _profiler .travis.yml credentials _ignition druid/ muieblackcat
		w00tw00t sqlite administrator/ scripts/setup.php _vti_bin crossdomain.xml swagger v2/_catalog portal/redlion`) {
		l.segments[p[0]] = append(l.segments[p[0]], p)
	}
	l.anywhere = strings.Fields("phpmyadmin dbadmin eval-stdin .sql.gz")
	l.endings = strings.Fields(".bak .old .swp .orig .save ~ .inc .sql")
	l.agents = [4][]string{
		strings.Fields(`sqlmap nikto nmap masscan zgrab nessus openvas acunetix w3af dirbuster gobuster feroxbuster ffuf wfuzz hydra wpscan whatweb nuclei arachni skipfish
			havij zmeu jorgee netsparker burp zaproxy owasp morfeus libwww-perl muieblackcat fimap commix xsser metasploit dirsearch censysinspect internet-measurement
			expanse projectdiscovery l9explore webshag grabber paros vega/ qualys webinspect appscan fuzz pentest`),
		strings.Fields(`curl/ wget python go-http-client java/ okhttp apache-httpclient httpclient libcurl axios node-fetch node.js undici ruby faraday php/ guzzle perl lwp:: httpie postman insomnia
			rest-client restsharp aiohttp httpx scrapy mechanize urllib winhttp powershell java.net axel aria2 libwww jakarta unirest reqwest dart/ sindresorhus/got superagent apachebench ab/ siege wrk k6/ locust jmeter vegeta headless phantomjs selenium puppeteer playwright`),
		strings.Fields(`bot crawl spider slurp archiver feedfetcher feedburner facebookexternalhit mediapartners monitor uptime pingdom preview validator wordpress/ rss yandex baidu duckduck ahrefs semrush
			google-read-aloud lighthouse whatsapp telegram statuscake check_http healthcheck elb- kube-probe gce- netcraft scoutjet qwantify ia_archiver`),
		strings.Fields(`cfnetwork dalvik darwin/ alamofire okhttp/ exoplayer applecoremedia reactnative flutter ktor-client android/ ios/ iphone/ ipad/`),
	}
	return l
}

func (l *lexicon) add(flags uint32, list string) {
	for _, s := range strings.Fields(list) {
		w := l.words[s]
		if flags&wSQL != 0 && w.flags&wSQL == 0 {
			n := uint8(0)
			for _, o := range l.words {
				if o.flags&wSQL != 0 {
					n++
				}
			}
			w.bit = n
		}
		w.flags |= flags
		l.words[s] = w
		l.lengths[s[0]] |= 1 << len(s)
	}
}

// find looks a lower-case word up.
func (l *lexicon) find(s []byte) word {
	if len(s) > 30 || l.lengths[s[0]]>>len(s)&1 == 0 {
		return word{}
	}
	return l.words[string(s)]
}

// event reports whether a word like "onerror" is an event handler.
func (l *lexicon) event(s []byte) bool {
	if len(s) < 5 || len(s) > 32 || s[0] != 'o' || s[1] != 'n' {
		return false
	}
	for _, e := range l.events {
		if len(s)-2 >= len(e) && string(s[2:2+len(e)]) == e {
			return true
		}
	}
	return false
}

// asset reports whether a path ends like a static file.
func (l *lexicon) asset(path string) bool {
	i := strings.LastIndexByte(path, '.')
	if i < 0 || len(path)-i > 6 {
		return false
	}
	var ext [6]byte
	n := copy(ext[:], path[i+1:])
	for j := range ext[:n] {
		if ext[j] >= 'A' && ext[j] <= 'Z' {
			ext[j] |= 0x20
		}
	}
	return l.assets[string(ext[:n])]
}

// login reports whether a template looks like a place to log in: one of its
// words is or ends in one of the list, or is "auth".
func (l *lexicon) login(template string) bool {
	t := strings.ToLower(template)
	for _, s := range l.logins {
		if strings.Contains(t, s) {
			return true
		}
	}
	return strings.HasSuffix(t, "/auth") || strings.Contains(t, "/auth/") || strings.Contains(t, "/auth.")
}

// probes counts the well-known probes in a decoded path.
func (l *lexicon) probes(path []byte) int {
	p := bytes.ToLower(path[:min(len(path), 512)])
	n := 0
	for i := range len(p) - 1 {
		if p[i] != '/' {
			continue
		}
		for _, s := range l.segments[p[i+1]] {
			if bytes.HasPrefix(p[i+1:], []byte(s)) {
				n++
			}
		}
	}
	for _, s := range l.anywhere {
		if bytes.Contains(p, []byte(s)) {
			n++
		}
	}
	for _, s := range l.endings {
		if bytes.HasSuffix(p, []byte(s)) {
			n++
		}
	}
	return n
}

// The classes of user agents, from known to hostile.
const (
	agentBrowser = iota
	agentApp
	agentBot
	agentLibrary
	agentNone
	agentScanner
	numAgents
)

func (l *lexicon) agentClass(s string) uint8 {
	if !named(s) {
		return agentNone
	}
	t := strings.ReplaceAll(strings.ToLower(s[:min(len(s), 512)]), "cubot", "") // a maker of phones
	has := func(list []string) bool {
		for _, w := range list {
			if strings.Contains(t, w) {
				return true
			}
		}
		return false
	}
	browser := strings.HasPrefix(t, "mozilla/") || strings.HasPrefix(t, "opera/")
	switch {
	case has(l.agents[0]):
		return agentScanner
	case has(l.agents[2]):
		return agentBot
	case has(l.agents[3]) && !browser:
		return agentApp
	case has(l.agents[1]) && !browser, strings.Contains(t, "headless"), strings.Contains(t, "phantomjs"):
		return agentLibrary
	case browser && len(t) > 20:
		return agentBrowser
	case browser:
		return agentLibrary // "Mozilla/5.0" alone is what tools send
	}
	return agentApp
}
