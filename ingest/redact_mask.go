package ingest

import "strings"

// mask hides a value and keeps what makes an attack one: its length, its
// punctuation, the words of isKeyword, and the form in which each character is
// written. It works on characters as a server would see them: %73, %2573, \x73,
// \u0073 and &#115; are an s, so that a word is known however it is escaped. Of
// other words each letter becomes an x in the form it had, each digit a 0.
// Non-ASCII bytes are letters; escaped they stay non-ASCII. 0x3c stays a hexadecimal number, 0x00.
func mask(v string) string {
	b := make([]byte, 0, len(v))
	m := masker{text: v}
	for m.at < len(v) {
		if v[m.at] == '[' {
			if n := isPlaceholder(v[m.at:]); n > 0 {
				b = append(b, v[m.at:m.at+n]...)
				m.at += n
				m.prev, m.before = ']', 0
				continue
			}
		}
		c, n := m.char(m.at)
		switch {
		case isDigit(c):
			if c == '0' && !isWordByte(m.prev) {
				if end := m.hexNumber(m.at); end > 0 {
					b = m.hide(b, m.at+n, '0', end) // the x stays: it is no hexadecimal digit
					continue
				}
			}
			b = m.hide(b, m.at, '0', m.at+n)
		case isLetter(c) || c == '_':
			b = m.word(b)
		default:
			b = append(b, v[m.at:m.at+n]...)
			m.at += n
			m.before, m.prev = m.prev, c
			if c != ' ' && c != '+' {
				m.mark, m.ofTable = c, false
			}
		}
	}
	return string(b)
}

// letterOther is the character that stands for all that is no ASCII, and kept
// for bytes that only occur in overlong encodings of ASCII.
const (
	letterOther = 'x'
	kept        = 0xc0
)

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

type masker struct {
	text   string
	at     int
	prev   byte // the character before at, 0 at the beginning
	before byte // and the one before that
	mark   byte // the last punctuation, a space does not count

	ofTable bool // the word before it wants a table: from, into
}

// char returns the character at text[i] and the length of its form.
func (m *masker) char(i int) (c byte, n int) {
	c = m.text[i]
	if c == '%' || c == '\\' || c == '&' {
		if n = escapeLen(m.text[i:]); n > 0 {
			if c == '\\' && n == 2 && m.pathWord(i+1) {
				return c, 1
			}
			return escapeChar(m.text[i : i+n]), n
		}
	}
	if c >= 0x80 {
		c = letterOther
	}
	return c, 1
}

// pathWord: a known word begins at text[i], so that the backslash before it
// divides a path: c:\boot.ini.
func (m *masker) pathWord(i int) bool {
	j := i
	for j < len(m.text) && j-i < 24 && isLetter(m.text[j]) {
		j++
	}
	return isKeyword([]byte(strings.ToLower(m.text[i:j])))
}

// hexNumber returns the end of the number that begins with the 0 at i, 0 if it
// is none.
func (m *masker) hexNumber(i int) int {
	_, n := m.char(i)
	i += n
	if i >= len(m.text) {
		return 0
	}
	c, n := m.char(i)
	if c|0x20 != 'x' {
		return 0
	}
	i += n
	end := 0
	for i < len(m.text) {
		c, n := m.char(i)
		if hexDigit(c) > 15 {
			if isLetter(c) || c == '_' {
				return 0
			}
			break
		}
		i += n
		end = i
	}
	return end
}

// hide appends text[at:to]: as it is up to from, then every hexadecimal digit,
// letter or digit as with, in its own form.
func (m *masker) hide(b []byte, from int, with byte, to int) []byte {
	b = append(b, m.text[m.at:from]...)
	for i := from; i < to; {
		c, n := m.char(i)
		if c|0x20 == 'x' && with == '0' {
			b = append(b, m.text[i:i+n]...)
		} else {
			b = appendAs(b, m.text[i:i+n], with)
		}
		i += n
		m.before, m.prev = m.prev, with
	}
	m.at = to
	return b
}

// word appends the letters and underscores from at on.
func (m *masker) word(b []byte) []byte {
	type letter struct{ from, to int }
	var (
		buf   [48]byte // the word in small letters
		where [48]letter
		n     int
		end   = m.at
		long  bool
		// Where the first control character is: scr%00ipt is one word, any%0ASet two.
		gap, letters int
	)
	for end < len(m.text) {
		c, k := m.char(end)
		if (c < ' ' || c == 0x7f) && k > 1 && n > 0 && m.letterAt(end+k) && !m.keep(buf[:n]) {
			if gap == 0 {
				gap, letters = end, n
			}
			end += k
			continue
		}
		if !isLetter(c) && c != '_' {
			break
		}
		if n < len(buf) {
			if c != '_' {
				c |= 0x20
			}
			buf[n], where[n] = c, letter{end, end + k}
			n++
		} else {
			long = true
		}
		end += k
	}
	if gap > 0 && (long || !m.keep(buf[:n])) {
		end, n, long = gap, letters, letters == len(buf)
	}
	emit := func(from, to int, keep bool) {
		if keep {
			b = append(b, m.text[from:to]...)
			return
		}
		for i := from; i < to; {
			c, k := m.char(i)
			if c == '_' || c < ' ' || c == 0x7f {
				b = append(b, m.text[i:i+k]...)
			} else {
				b = appendAs(b, m.text[i:i+k], 'x')
			}
			i += k
		}
	}
	switch {
	case !long && m.mixedWord(buf[:n], end) > 0:
		end = m.mixedWord(buf[:n], end)
		emit(m.at, end, true)
	case long:
		emit(m.at, end, false)
	case m.keep(buf[:n]):
		emit(m.at, end, true)
	default:
		for i := 0; i < n; {
			j := i
			for j < n && buf[j] != '_' {
				j++
			}
			if j > i {
				emit(where[i].from, where[j-1].to, isKeyword(buf[i:j]))
			}
			if j < n {
				emit(where[j].from, where[j].to, true)
				j++
			}
			i = j
		}
	}
	m.ofTable = !long && wantsTable(buf[:n])
	m.at = end
	m.before, m.prev = 0, 'x'
	return b
}

func (m *masker) letterAt(i int) bool {
	if i >= len(m.text) {
		return false
	}
	c, _ := m.char(i)
	return isLetter(c)
}

// mixedWord returns the end of a known word with digits in it, of which w are
// the letters up to end; 0 if there is none.
func (m *masker) mixedWord(w []byte, end int) int {
	if end >= len(m.text) || !isDigit(m.text[end]) || len(w) < 2 {
		return 0
	}
	stop := end
	for stop < len(m.text) && stop-end < 16 && isWordByte(m.text[stop]) {
		stop++
	}
	switch string(w) + strings.ToLower(m.text[end:stop]) {
	case "md5", "sha1", "sha2", "base64", "base64_decode", "base64_encode", "str_rot13", "win32", "system32", "php5", "utf8", "r57", "c99", "python2", "python3":
		return stop
	}
	return 0
}

// keep says whether a word stays. Short and common words count only where they
// do something: tags behind <, commands behind what ends a command.
func (m *masker) keep(w []byte) bool {
	if isKeyword(w) || len(w) > 4 && w[0] == 'o' && w[1] == 'n' && isEvent(w[2:]) {
		return true
	}
	if m.ofTable && isTable(w) {
		return true
	}
	switch m.prev {
	case '&':
		return isEntity(w)
	case '<':
		return isTag(w)
	case '/':
		return m.before == '<' && isTag(w) || isPathWord(w)
	}
	switch m.mark {
	case ';', '|', '&', '`', '(', '\n', '\r', '$', '=', ':':
		return (m.mark != '=' && m.mark != ':' || m.prev == ' ' || m.prev == '+') && isCommand(w)
	}
	return false
}

// escapeChar is the character that an escape stands for.
func escapeChar(e string) byte {
	digits, base, ok := escapeDigits(e)
	if !ok {
		switch {
		case e[0] == '\\' && len(e) == 2 && (e[1] == 'n' || e[1] == 'r'):
			return '\n'
		case e[0] == '\\' && len(e) == 2:
			return ' '
		}
		return e[0]
	}
	v := 0
	for i := range len(digits) {
		v = v*base + int(hexDigit(digits[i]))
		if v > 0x10ffff {
			v = 0x110000
		}
	}
	switch {
	case v == 0xc0 || v == 0xc1:
		return kept
	case v >= 0x80:
		return letterOther
	}
	return byte(v)
}

// escapeDigits returns the digits of an escape and their base; not ok if it has
// none (\n, %25 signs and nothing else, &lt;).
func escapeDigits(e string) (digits string, base int, ok bool) {
	switch e[0] {
	case '%':
		switch {
		case strings.HasPrefix(e, "%26%23"):
			digits = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(e[6:], ";"), "%3B"), "%3b")
			if digits[0]|0x20 == 'x' {
				return digits[1:], 16, true
			}
			return digits, 10, true
		case len(e)%2 == 0: // %uNNNN
			return e[len(e)-4:], 16, true
		case e[1:] == strings.Repeat("25", (len(e)-1)/2):
			return "", 0, false
		}
		return e[len(e)-2:], 16, true
	case '\\':
		if len(e) == 2 {
			return "", 0, false
		}
		return e[2:], 16, true
	}
	digits = e[2 : len(e)-1] // &#…;
	base = 10
	if digits != "" && digits[0]|0x20 == 'x' {
		digits, base = digits[1:], 16
	}
	for i := range len(digits) {
		if int(hexDigit(digits[i])) >= base {
			return "", 0, false
		}
	}
	return digits, base, digits != ""
}

// appendAs appends c in the form of the character form.
func appendAs(b []byte, form string, c byte) []byte {
	if len(form) == 1 {
		return append(b, c)
	}
	digits, base, _ := escapeDigits(form) // a letter or digit has some
	at := strings.LastIndex(form, digits)
	b = append(b, form[:at]...)
	text := "30"
	if c == 'x' && base == 16 && (len(digits) > 2 && strings.Trim(digits[:len(digits)-2], "0") != "" || hexDigit(digits[len(digits)-2]) >= 8) {
		b = append(b, strings.Repeat("0", len(digits)-2)...)
		b = append(b, otherLetter(digits[len(digits)-2:])...)
		return append(b, form[at+len(digits):]...)
	}
	switch {
	case c == 'x' && base == 16:
		text = "78"
	case c == 'x':
		text = "120"
	case base == 10:
		text = "48"
	}
	for range len(digits) - len(text) {
		b = append(b, '0')
	}
	b = append(b, text...)
	return append(b, form[at+len(digits):]...)
}

// otherLetter hides a byte that is no ASCII behind one of its kind: an escaped x
// in its place would look like an evasion, and half a UTF-8 sequence like damage.
func otherLetter(hex string) string {
	switch hex[0] | 0x20 {
	case '8', '9', 'a', 'b':
		return "A9" // goes on
	case 'c', 'd':
		return "C3" // two bytes
	case 'e':
		return "E9" // three, or Latin-1
	}
	return "F1"
}

// isKeyword: words that make an attack one, and no secret. w is in small letters.
func isKeyword(w []byte) bool {
	if len(w) < 2 || len(w) > 24 {
		return false
	}
	switch string(w) {
	// SQL
	case "select", "union", "insert", "update", "delete", "drop", "create", "alter", "truncate", "from", "where", "and", "or",
		"not", "null", "like", "into", "values", "table", "having", "group", "order", "by", "limit", "offset", "distinct", "all",
		"exists", "between", "case", "when", "then", "else", "end", "sleep", "benchmark", "waitfor", "delay", "exec", "execute",
		"declare", "cast", "convert", "concat", "concat_ws", "group_concat", "char", "nchar", "varchar", "chr", "ascii", "substring",
		"substr", "mid", "hex", "unhex", "ifnull", "count", "version", "database", "schema", "information_schema", "xp_cmdshell",
		"xp_dirtree", "xp_regread", "sp_executesql", "sp_password", "pg_sleep", "load_file", "outfile", "dumpfile", "procedure",
		"extractvalue", "updatexml", "dbms_pipe", "dbms_lock", "receive_message", "utl_inaddr", "utl_http", "is", "in", "true",
		"false", "div", "xor", "rlike", "regexp", "ilike", "set", "join", "begin", "shutdown", "grant", "replace", "rand",
		"floor", "elt", "make_set", "sysobjects", "syscolumns", "sysusers", "pg_catalog", "pg_user", "pg_shadow", "sqlite_master",
		"all_tables", "all_tab_columns", "user_tables", "rownum", "if", "iif", "httpuritype", "get_host_address", "request", "ctxsys",
		"xmltype", "as", "on", "using", "over", "use", "go", "print", "table_name", "table_schema", "column_name", "current_user", "system_user", "session_user",
		"msysaccessobjects", "randomblob", "dual", "mysql", "openrowset", "analyse", "admin":
		return true
	// HTML and JavaScript
	case "script", "img", "image", "svg", "iframe", "body", "style", "object", "embed", "applet", "math", "base", "link", "meta",
		"input", "form", "video", "audio", "source", "details", "marquee", "isindex", "animate", "foreignobject", "src", "href",
		"onerror", "onload", "onclick", "ondblclick", "onmouseover", "onmouseenter", "onmouseout", "onmousedown", "onmouseup",
		"onmousemove", "onmousewheel", "onfocus", "onfocusin", "onblur", "onchange", "onsubmit", "onreset", "onselect", "onkeydown",
		"onkeypress", "onkeyup", "onbegin", "onend", "onstart", "onfinish", "ontoggle", "onresize", "onscroll", "onpageshow",
		"onanimationstart", "onanimationend", "ontransitionend", "onpointerover", "onpointerenter", "onwheel", "oncopy", "oncut",
		"onpaste", "ondrag", "ondragstart", "ondrop", "oninput", "oninvalid", "onabort", "onhashchange", "onmessage", "onpopstate",
		"onunload", "onbeforeunload", "onreadystatechange", "onpropertychange", "alert", "prompt", "confirm", "document", "cookie",
		"location", "window", "eval", "settimeout", "setinterval", "function", "constructor", "javascript", "vbscript", "livescript",
		"mocha", "expression", "fromcharcode", "string", "unescape", "innerhtml", "write", "writeln", "atob", "btoa", "fetch",
		"xmlns", "xlink", "formaction", "srcdoc", "background", "xmlhttprequest", "text", "html", "xml", "cdata", "doctype", "entity",
		"import", "data", "url", "http", "https", "ftp", "dynsrc", "lowsrc", "datasrc", "datafld", "dataformatas", "action", "language",
		"behavior", "binding", "xhtml", "onevent", "throw", "import_script", "top", "parent", "frames":
		return true
	// shell, paths, servers and templates
	case "cat", "etc", "bin", "sh", "bash", "zsh", "ls", "whoami", "uname", "wget", "curl", "nc", "ncat", "netcat", "ping", "rm",
		"echo", "system", "powershell", "pwsh", "cmd", "exe", "dir", "windows", "winnt", "win", "ini", "boot", "proc", "self",
		"environ", "php", "phpinfo", "perl", "python", "ruby", "passthru", "shell_exec", "proc_open", "popen", "chmod", "chown",
		"nslookup", "ifconfig", "ipconfig", "netstat", "telnet", "tftp", "nmap", "file", "gopher", "dict", "expect", "phar", "ldap",
		"ldaps", "jndi", "rmi", "dns", "iiop", "corba", "lower", "upper", "env", "java", "runtime", "getruntime", "processbuilder",
		"base64_decode", "file_get_contents", "call_user_func", "preg_replace", "assert", "gzinflate", "bcc", "crlf", "include",
		"virtual", "ssi", "cookie_set":
		return true
	// headers that an injected line break begins
	case "content", "type", "length", "host", "status", "refresh":
		return true
	}
	return false
}

// wantsTable: behind these words of SQL the name of a table stands.
func wantsTable(w []byte) bool {
	switch string(w) {
	case "from", "into", "update", "table", "join":
		return true
	}
	return false
}

// isTable: names of tables that attacks guess.
func isTable(w []byte) bool {
	switch string(w) {
	case "users", "user", "members", "accounts", "account", "customers", "admins", "administrators", "login", "logins", "passwords",
		"sessions", "tokens", "orders", "products", "employees", "test", "tables", "columns", "tablename", "mytable":
		return true
	}
	return false
}

// isEvent: what stands behind "on" in the names of event handlers.
func isEvent(w []byte) bool {
	switch string(w) {
	case "abort", "activate", "afterprint", "afterscriptexecute", "animationcancel", "animationiteration", "auxclick", "beforeactivate",
		"beforecopy", "beforecut", "beforepaste", "beforeprint", "beforescriptexecute", "bounce", "canplay", "canplaythrough", "close",
		"contextmenu", "cuechange", "deactivate", "dragend", "dragenter", "dragleave", "dragover", "durationchange", "ended", "error",
		"focusout", "formdata", "fullscreenchange", "gotpointercapture", "help", "layoutcomplete", "loadeddata", "loadedmetadata",
		"loadend", "loadstart", "losecapture", "mediacomplete", "mediaerror", "mouseleave", "offline", "online", "outofsync",
		"pagehide", "pause", "play", "playing", "pointerdown", "pointerleave", "pointermove", "pointerout", "pointerrawupdate",
		"pointerup", "progress", "ratechange", "repeat", "reverse", "rowexit", "rowinserted", "rowdelete", "search", "seek", "seeked",
		"seeking", "selectionchange", "selectstart", "show", "stalled", "start", "stop", "storage", "suspend", "syncrestored",
		"timeerror", "timeupdate", "touchend", "touchmove", "touchstart", "trackchange", "transitioncancel", "transitionrun",
		"transitionstart", "unhandledrejection", "urlflip", "volumechange", "waiting", "webkitanimationend", "webkittransitionend",
		"zoom":
		return true
	}
	return false
}

// isEntity: names of character references, behind an &.
func isEntity(w []byte) bool {
	switch string(w) {
	case "lt", "gt", "amp", "quot", "apos", "colon", "lpar", "rpar", "tab", "newline", "nbsp", "sol", "bsol", "lbrace", "rbrace", "equals",
		"grave", "excl", "period", "comma", "semi", "num", "dollar":
		return true
	}
	return false
}

// isTag: further names of elements, behind a <.
func isTag(w []byte) bool {
	switch string(w) {
	case "a", "b", "i", "u", "p", "s", "br", "hr", "div", "span", "head", "title", "td", "th", "tr", "h", "ul", "ol", "li", "textarea",
		"button", "option", "label", "center", "font", "pre", "code", "strong", "em", "frame", "frameset", "xss", "x", "layer",
		"bgsound", "noscript", "noembed", "keygen", "canvas", "section", "article", "dialog", "template", "portal", "map", "area",
		"xmp", "plaintext", "listing", "comment", "acronym", "blink", "nobr", "tt", "var", "sub", "sup", "small", "big", "del",
		"ins", "picture", "track", "param", "basefont", "bdo", "fieldset", "legend", "menu", "nav", "main", "header", "footer":
		return true
	}
	return false
}

// isPathWord: names of files that attacks ask for, behind a slash.
func isPathWord(w []byte) bool {
	switch string(w) {
	case "passwd", "shadow", "hosts", "issue", "sudoers", "fstab", "motd", "resolv", "profile", "version", "cmdline", "cpuinfo", "mounts",
		"htaccess", "htpasswd", "config", "access_log", "error_log", "apache", "nginx", "httpd", "ssh", "id_rsa", "authorized_keys",
		"usr", "var", "tmp", "dev", "tcp", "udp", "log", "www", "inetpub", "wwwroot", "local", "home", "root", "opt", "cgi":
		return true
	}
	return false
}

// isCommand: further shell commands, behind what ends a command.
func isCommand(w []byte) bool {
	switch string(w) {
	case "id", "ps", "w", "who", "pwd", "head", "tail", "more", "less", "find", "grep", "awk", "sed", "xargs", "tee", "cp", "mv", "mkdir",
		"rmdir", "touch", "kill", "su", "sudo", "net", "ver", "del", "copy", "move", "ssh", "scp", "ftp", "date", "time", "timeout",
		"export", "printenv", "hostname", "last", "history", "mount", "df", "du", "tar", "gcc", "make", "node", "printf", "sleep",
		"crontab", "useradd", "lynx", "vi", "od", "sort", "wc", "cut", "read", "exit", "halt", "reboot", "arp", "route", "reg", "sc",
		"rf", "la", "tasklist", "systeminfo", "certutil", "bitsadmin":
		return true
	}
	return false
}
