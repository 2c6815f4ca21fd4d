package features

import "apiml/frame"

// The columns, in order. A new feature is one entry here, one in the table
// below and the line that computes it.
const (
	// Request: what the target and the body say (lex.go, evidence.go).
	cTargetLength = iota
	cPathDepth
	cPathSpecial
	cPathEntropy
	cParameters
	cParametersRepeated
	cNameSpecial
	cBodyLength
	cNesting
	cDecodeRounds
	cEscapeDamage
	cValueLength
	cValueDigits
	cValueSpecial
	cValueSpaces
	cValueWords
	cValueEntropy
	cSpecialRun
	cQuotes
	cQuotesOdd
	cBrackets
	cOperators
	cHigh
	cControl
	cSQLWords
	cSQLFunctions
	cSQLUnion
	cSQLTautology
	cSQLBreak
	cSQLComment
	cSQLStatement
	cTags
	cActiveTags
	cHandlers
	cScriptCalls
	cTraversal
	cSensitiveFile
	cSchemes
	cCommands
	cSubstitution
	cExpressions
	cServerCode
	cNullByte
	cHeaderInjection
	cQueryObjects
	cInternalHost
	cToken
	cTokenNone
	cScannerPath
	cAsset
	cLogin
	numLex // the columns so far depend on target and body alone and are memoised

	// Request: the rest of the record (extractor.go).
	cHeaderEvidence = iota - 1
	cAgentClass
	cMethodClass
	cStatusClass
	cBytesOut
	cLatency
	numRequest

	// Window (window.go).
	cRate10s = iota - 2
	cRate1m
	cRate10m
	cRate1h
	cGapMean
	cGapCV
	cTemplates10m
	cObjects10m
	cObjects1h
	cSequential
	cTemplateEntropy
	cClientErrors
	cServerErrors
	cDenied
	cNotFound
	cLimited
	cLoginFailures1m
	cLoginFailures1h
	cSuccessAfterFailures
	cBytesMean
	cAssetShare
	cGetShare
	cAddresses
	cAddressRate1m
	cAddressRate1h
	cAddressAgents
	cAddressFailures
	cTargetFailed
	cTargetPrincipals
	cTargetSurge
	cTargetRecord
	cTargetChain
	cGlobalSurge
	numWindow

	// Profile: the fitted State (profile.go).
	cTemplateUnknown = iota - 3
	cTemplateSupport
	cShapeUnknown
	cParametersUnknown
	cParametersMissing
	cClassesUnseen
	cValuesUnseen
	cClassSurprise
	cLengthOver
	cLengthUnder
	cLengthZ
	cValueNotInSet
	cFormSurprise
	cMarksSurprise
	cMethodUnseen
	cStatusSurprise
	cBytesZ
	cLatencyZ

	// The text model on target and body, but for what is the custom here (text.go).
	cTextAttack
	cTextSQL
	cTextXSS
	cTextTraversal
	cTextCommand
	cTextOther
	numColumns
)

// lnCount, lnBytes and the rest are the units: heavy-tailed quantities are
// given as ln(1+x), since isolation trees cut between minimum and maximum.
const (
	lnCount = "ln(1+count)"
	lnBytes = "ln(1+bytes)"
	share   = "1"
	nats    = "nats"
)

// columns is the table of all columns.
func columns() [numColumns]frame.Column {
	return [numColumns]frame.Column{
		cTargetLength:       {Name: "target_length", Unit: lnBytes, Doc: "length of path and query as sent; payloads and overflows are long"},
		cPathDepth:          {Name: "path_depth", Unit: "count", Doc: "segments of the decoded path; traversal and probing go deep"},
		cPathSpecial:        {Name: "path_special_share", Unit: share, Doc: "share of bytes of the decoded path that are neither letters, digits nor /.-_; payloads placed in the path"},
		cPathEntropy:        {Name: "path_entropy", Unit: "bits", Doc: "entropy of the decoded path's bytes; random names"},
		cParameters:         {Name: "parameters", Unit: "count", Doc: "name=value pairs of query and body; fuzzers add them"},
		cParametersRepeated: {Name: "parameters_repeated", Unit: "count", Doc: "names that occur again; parameter pollution"},
		cNameSpecial:        {Name: "name_special", Unit: "count", Doc: "largest number of unusual characters in a parameter name; payloads placed in the name"},
		cBodyLength:         {Name: "body_length", Unit: lnBytes, Doc: "length of the request's body, missing if the log has none"},
		cNesting:            {Name: "nesting_depth", Unit: "count", Doc: "deepest nesting of JSON or brackets; parser bombs and object injection"},
		cDecodeRounds:       {Name: "decode_rounds", Unit: "count", Doc: "how often the most encoded part decodes; more than once is evasion"},
		cEscapeDamage:       {Name: "escape_damage", Unit: "count", Doc: "escapes that are broken, overlong or of the %u form; evasion and fuzzing"},
		cValueLength:        {Name: "value_length", Unit: lnBytes, Doc: "length of the longest decoded value"},
		cValueDigits:        {Name: "value_digit_share", Unit: share, Doc: "share of digits in the longest value; tells ids from text"},
		cValueSpecial:       {Name: "value_special_share", Unit: share, Doc: "largest share of punctuation in one value of at least 3 bytes"},
		cValueSpaces:        {Name: "value_spaces", Unit: "count", Doc: "most white space in one value; honest prose and SQL have it, ids do not"},
		cValueWords:         {Name: "value_words", Unit: "count", Doc: "most words of three letters or more in one value; prose"},
		cValueEntropy:       {Name: "value_entropy", Unit: "bits", Doc: "largest entropy of one value's bytes"},
		cSpecialRun:         {Name: "special_run", Unit: "count", Doc: "longest run of punctuation in one value or the path; '))-- and ../../"},
		cQuotes:             {Name: "quotes", Unit: "count", Doc: "most quotation marks in one value or the path"},
		cQuotesOdd:          {Name: "quotes_odd", Unit: "count", Doc: "values in which a kind of quotation mark stays open; breaks out of a string"},
		cBrackets:           {Name: "brackets_unbalanced", Unit: "count", Doc: "largest surplus of opening or closing brackets in one value"},
		cOperators:          {Name: "operators", Unit: "count", Doc: "most of = < > ! | & ; * ^ $ ` in one value or the path"},
		cHigh:               {Name: "high_share", Unit: share, Doc: "largest share of non-ASCII bytes in one value"},
		cControl:            {Name: "control_characters", Unit: "count", Doc: "most control characters in one value or the path"},
		cSQLWords:           {Name: "sql_words", Unit: "count", Doc: "distinct SQL words in one value; weak alone, honest text has them"},
		cSQLFunctions:       {Name: "sql_functions", Unit: "count", Doc: "SQL functions called and catalogue tables named: sleep(, concat(, information_schema"},
		cSQLUnion:           {Name: "sql_union", Unit: "count", Doc: "union … select"},
		cSQLTautology:       {Name: "sql_tautology", Unit: "count", Doc: "or, and followed by a comparison of constants: or 1=1, and 'a'='a"},
		cSQLBreak:           {Name: "sql_break", Unit: "count", Doc: "a quote or bracket closed and SQL goes on behind it"},
		cSQLComment:         {Name: "sql_comment", Unit: "count", Doc: "comment marks that cut a statement off: -- # /*…*/"},
		cSQLStatement:       {Name: "sql_statement", Unit: "count", Doc: "statements: select … from, ; drop table, order by 3, waitfor delay"},
		cTags:               {Name: "html_tags", Unit: "count", Doc: "HTML tags in one value or the path"},
		cActiveTags:         {Name: "html_active_tags", Unit: "count", Doc: "tags that run or load something: script, iframe, svg, img"},
		cHandlers:           {Name: "html_handlers", Unit: "count", Doc: "event handlers (onerror=) and script schemes (javascript:alert)"},
		cScriptCalls:        {Name: "script_calls", Unit: "count", Doc: "calls and objects of scripts: alert(, eval(, document.cookie"},
		cTraversal:          {Name: "traversal", Unit: "count", Doc: "../ and ..\\ in one value or the path, however encoded"},
		cSensitiveFile:      {Name: "sensitive_file", Unit: "count", Doc: "files that no client asks for: /etc/passwd, win.ini, WEB-INF"},
		cSchemes:            {Name: "wrapper_schemes", Unit: "count", Doc: "php:// file:// gopher:// expect:// data: and whole URLs as values; file inclusion, SSRF"},
		cCommands:           {Name: "shell_commands", Unit: "count", Doc: "command words behind ; | & ` $( or a line break"},
		cSubstitution:       {Name: "shell_substitution", Unit: "count", Doc: "$(…) `…` ${IFS} /bin/sh cmd.exe /dev/tcp"},
		cExpressions:        {Name: "expressions", Unit: "count", Doc: "${jndi: ${…} #{…} {{…}} <%…%>: evaluated on the server; template injection, Log4Shell"},
		cServerCode:         {Name: "server_code", Unit: "count", Doc: "<?php, server side includes, <!ENTITY, serialised objects"},
		cNullByte:           {Name: "null_byte", Unit: "count", Doc: "NUL in the path or a value; cuts a file name"},
		cHeaderInjection:    {Name: "header_injection", Unit: "count", Doc: "a line break followed by a header; response splitting"},
		cQueryObjects:       {Name: "query_objects", Unit: "count", Doc: "NoSQL operators ($ne), LDAP filters (*)(, __proto__, XPath"},
		cInternalHost:       {Name: "internal_host", Unit: "count", Doc: "addresses of the inside as values: 169.254.169.254, localhost"},
		cToken:              {Name: "web_token", Unit: "count", Doc: "JSON Web Tokens in target or body"},
		cTokenNone:          {Name: "web_token_none", Unit: "count", Doc: "tokens with algorithm none or without a signature; forged"},
		cScannerPath:        {Name: "scanner_path", Unit: "count", Doc: "well-known probes in the path: .env, .git, phpmyadmin, *.bak"},
		cAsset:              {Name: "asset", Doc: "1 for images, scripts, styles and fonts"},
		cLogin:              {Name: "login", Doc: "1 if the path looks like a login, token or password endpoint"},

		cHeaderEvidence: {Name: "header_evidence", Unit: "count", Doc: "kinds of payload in user agent and referrer: ${jndi:, () {, <script"},
		cAgentClass:     {Name: "agent_class", Doc: "0 browser, 1 mobile app, 2 bot, 3 library or tool, 4 none, 5 scanner: from known to hostile"},
		cMethodClass:    {Name: "method_class", Doc: "0 reads (GET, HEAD, OPTIONS), 1 writes (POST, PUT, PATCH, DELETE), 2 other, 3 no HTTP method"},
		cStatusClass:    {Name: "status_class", Doc: "first digit of the status, missing if unknown; what the server made of it"},
		cBytesOut:       {Name: "bytes_out", Unit: lnBytes, Doc: "size of the response's body, missing if unknown; dumps are large, refusals small"},
		cLatency:        {Name: "latency", Unit: "ln(1+ms)", Doc: "time to respond, missing if unknown; sleep(5) shows here"},

		cRate10s:              {Name: "rate_10s", Unit: lnCount, Doc: "requests of the principal, decayed over 10 s; bursts"},
		cRate1m:               {Name: "rate_1m", Unit: lnCount, Doc: "requests of the principal, decayed over 1 min; rate limits"},
		cRate10m:              {Name: "rate_10m", Unit: lnCount, Doc: "requests of the principal, decayed over 10 min"},
		cRate1h:               {Name: "rate_1h", Unit: lnCount, Doc: "requests of the principal, decayed over 1 h; slow scraping"},
		cGapMean:              {Name: "gap_mean", Unit: "ln(1+s)", Doc: "mean time between the principal's requests, decayed over 10 min, missing for the first"},
		cGapCV:                {Name: "gap_cv", Unit: share, Doc: "standard deviation of that time over its mean, missing before the third request; programs are regular, people are not"},
		cTemplates10m:         {Name: "templates_10m", Unit: lnCount, Doc: "distinct templates of the principal in 10 to 20 min; scanners visit many"},
		cObjects10m:           {Name: "objects_10m", Unit: lnCount, Doc: "distinct targets of the principal in 10 to 20 min; scraping visits many of one template"},
		cObjects1h:            {Name: "objects_1h", Unit: lnCount, Doc: "distinct targets of the principal in 1 to 2 h"},
		cSequential:           {Name: "sequential_ids", Unit: share, Doc: "share of numeric ids that follow the one before (within 10, same template); enumeration"},
		cTemplateEntropy:      {Name: "template_entropy", Unit: "bits", Doc: "entropy of the principal's last 32 templates; 0 = hammers one endpoint"},
		cClientErrors:         {Name: "client_errors", Unit: share, Doc: "4xx share of the principal, decayed over 10 min, shrunk to 0 by two requests"},
		cServerErrors:         {Name: "server_errors", Unit: share, Doc: "5xx share of the principal, likewise; injection breaks servers"},
		cDenied:               {Name: "denied", Unit: share, Doc: "401 and 403 share of the principal, likewise; broken authorisation, stuffing"},
		cNotFound:             {Name: "not_found", Unit: share, Doc: "404 share of the principal, likewise; scanners guess"},
		cLimited:              {Name: "limited", Unit: share, Doc: "429 share of the principal, likewise; limits violated"},
		cLoginFailures1m:      {Name: "login_failures_1m", Unit: lnCount, Doc: "failed logins of the principal, decayed over 1 min"},
		cLoginFailures1h:      {Name: "login_failures_1h", Unit: lnCount, Doc: "failed logins of the principal, decayed over 1 h"},
		cSuccessAfterFailures: {Name: "success_after_failures", Unit: lnCount, Doc: "failed logins in the hour before this successful one; a guessed password"},
		cBytesMean:            {Name: "bytes_mean", Unit: lnBytes, Doc: "mean response of the principal, decayed over 10 min, missing if unknown"},
		cAssetShare:           {Name: "asset_share", Unit: share, Doc: "share of assets, likewise; browsers load them, programs do not"},
		cGetShare:             {Name: "get_share", Unit: share, Doc: "share of reading methods, likewise"},
		cAddresses:            {Name: "principal_addresses", Unit: lnCount, Doc: "addresses of the user or session in 1 to 2 h; stolen or shared"},
		cAddressRate1m:        {Name: "address_rate_1m", Unit: lnCount, Doc: "requests of the client address whatever its agents say, decayed over 1 min"},
		cAddressRate1h:        {Name: "address_rate_1h", Unit: lnCount, Doc: "the same over 1 h"},
		cAddressAgents:        {Name: "address_agents", Unit: lnCount, Doc: "user agents of the address in 1 to 2 h; rotation, or a NAT"},
		cAddressFailures:      {Name: "address_login_failures_1h", Unit: lnCount, Doc: "failed logins of the address, decayed over 1 h; many accounts from one place"},
		cTargetFailed:         {Name: "target_failed_principals", Unit: lnCount, Doc: "principals that failed to log in at this template in 10 to 20 min; distributed stuffing, one try each"},
		cTargetPrincipals:     {Name: "target_principals", Unit: lnCount, Doc: "principals at this template in 10 to 20 min; floods come from many"},
		cTargetSurge:          {Name: "target_surge", Unit: nats, Doc: "ln of this template's requests in 1 min over what its last hour makes expect; floods"},
		cTargetRecord:         {Name: "target_record", Unit: nats, Doc: "ln of this template's requests in 1 min over the most of any minute before, from 10 min back and fading over a day; floods break records, popular hours come again; missing if the record is late by more than a minute"},
		cTargetChain:          {Name: "target_chain", Unit: lnCount, Doc: "length of the run of rising numeric ids at this template that this request goes on with, whoever asks; enumeration from many addresses; missing without an id, and likewise"},
		cGlobalSurge:          {Name: "global_surge", Unit: nats, Doc: "the same for all requests"},

		cTemplateUnknown:   {Name: "template_unknown", Doc: "1 if the profile does not know the template; missing while it is new"},
		cTemplateSupport:   {Name: "template_support", Unit: lnCount, Doc: "requests that the profile has seen of the template"},
		cShapeUnknown:      {Name: "shape_unknown", Doc: "1 if this set of parameter names was never seen at the template"},
		cParametersUnknown: {Name: "parameters_unknown", Unit: "count", Doc: "parameter names never seen at the template; mass assignment, fuzzing"},
		cParametersMissing: {Name: "parameters_missing", Unit: "count", Doc: "usual parameters (95 % of the requests of this shape's template) that are not there"},
		cClassesUnseen:     {Name: "classes_unseen", Unit: "count", Doc: "largest number of character classes in one value that its parameter never held"},
		cValuesUnseen:      {Name: "values_unseen", Unit: "count", Doc: "values with such a class"},
		cClassSurprise:     {Name: "class_surprise", Unit: nats, Doc: "−ln of the smoothed share of the rarest character class in any value"},
		cLengthOver:        {Name: "length_over", Unit: nats, Doc: "ln of the value's length over the longest ever seen of its parameter, largest; 0 inside"},
		cLengthUnder:       {Name: "length_under", Unit: nats, Doc: "ln of the shortest ever seen over the value's length, largest; 0 inside"},
		cLengthZ:           {Name: "length_z", Unit: "sd", Doc: "largest distance of a value's ln length from its parameter's mean, in shrunk standard deviations, at most 50"},
		cFormSurprise:      {Name: "form_surprise", Unit: nats, Doc: "−ln of the probability that a value of this parameter has a new form, if one has: a letter among the digits of a number; 0 if all forms are known"},
		cMarksSurprise:     {Name: "marks_surprise", Unit: nats, Doc: "the same for how often a punctuation character stands in it: a second @ in an address"},
		cValueNotInSet:     {Name: "value_not_in_set", Unit: "count", Doc: "values outside a small closed set of their parameter; tampering"},
		cMethodUnseen:      {Name: "method_unseen", Doc: "1 if the template never got this class of method"},
		cStatusSurprise:    {Name: "status_surprise", Unit: nats, Doc: "−ln of the smoothed share of this status class at the template"},
		cBytesZ:            {Name: "bytes_z", Unit: "sd", Doc: "distance of the ln response size from the template's mean, in shrunk standard deviations, within ±50"},
		cLatencyZ:          {Name: "latency_z", Unit: "sd", Doc: "distance of the ln latency from the template's mean, likewise"},

		cTextAttack:    {Name: "text_attack", Unit: nats, Doc: "how much the strongest value reads like an attack: log-odds by the text model, -12 if none says anything or its form is the custom at this template"},
		cTextSQL:       {Name: "text_sql_injection", Unit: nats, Doc: "log-odds that the strongest value is SQL injection rather than honest text"},
		cTextXSS:       {Name: "text_xss", Unit: nats, Doc: "log-odds that the strongest value is cross-site scripting rather than honest text"},
		cTextTraversal: {Name: "text_path_traversal", Unit: nats, Doc: "log-odds that the strongest value is path traversal rather than honest text"},
		cTextCommand:   {Name: "text_command_injection", Unit: nats, Doc: "log-odds that the strongest value is command or template injection rather than honest text"},
		cTextOther:     {Name: "text_other_attack", Unit: nats, Doc: "log-odds that the strongest value is another kind of payload rather than honest text"},
	}
}

// HTTPSchema returns the columns that an Extractor with the state s computes.
// Its ID depends on the state.
func HTTPSchema(s *State) *frame.Schema {
	cols := columns()
	return &frame.Schema{Name: "http", State: s.ID(), Columns: cols[:]}
}
