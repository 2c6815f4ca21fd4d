package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"apiml/ingest"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/score"
)

// config is the effective configuration. Each field stands for one line of
// settings(), the single table from which defaults, the YAML reader, the
// environment, `config show`, `config schema` and the reference come.
type config struct {
	DB                    string
	Retention             time.Duration // 0 = records are kept for ever
	Seed                  uint64
	InputFiles            []string // paths and globs, for nightly
	InputFormat           string
	InputLogFormat        string
	InputMapping          map[string]string
	InputRedact           bool
	InputMinParsed        float64
	InputRedactPII        bool
	InputExcludeIP        []string
	InputExcludePath      []string
	InputRealIPHeader     string
	InputTrustedProxies   []string
	InputAnonymizeIP      bool
	InputAnonymizeKeyFile string
	ModelsDir             string
	RetrainInterval       time.Duration
	RetrainDrift          bool
	CV                    int
	Acknowledge           []string
	Params                map[string]map[string]any
	Threshold             float64
	AnomalyThreshold      float64
	RateLimit             score.RateLimit
	Title                 string
	Top                   int
	ReportDir             string
	ReportPeriod          string // "day" or "week"
	ReportKeep            int
	LogLevel              string
	LogFile               string

	origin map[string]string // where each value comes from
	text   map[string]string // each value as text
	file   string            // configuration file that was read, "" if none
}

func (c *config) level() slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(c.LogLevel)) != nil {
		return slog.LevelInfo
	}
	return l
}

// setting is one key of the configuration.
type setting struct {
	key    string // "models.dir"
	origin string // name in the origin's .env, accepted at the top level of the file and as APIML_NAME
	def    string
	kind   string // JSON Schema type
	doc    string
	set    func(c *config, v string) error
}

func settings() []setting {
	str := func(p func(*config) *string) func(*config, string) error {
		return func(c *config, v string) error { *p(c) = v; return nil }
	}
	share := func(p func(*config) *float64) func(*config, string) error {
		return func(c *config, v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f >= 0 && f <= 1) {
				return fmt.Errorf("%q is no number between 0 and 1", v)
			}
			*p(c) = f
			return nil
		}
	}
	whole := func(p func(*config) *int, least int) func(*config, string) error {
		return func(c *config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < least {
				return fmt.Errorf("%q is no whole number of at least %d", v, least)
			}
			*p(c) = n
			return nil
		}
	}
	list := func(p func(*config) *[]string) func(*config, string) error {
		return func(c *config, v string) error {
			*p(c) = nil
			for s := range strings.SplitSeq(v, ",") {
				if s = strings.TrimSpace(s); s != "" {
					*p(c) = append(*p(c), s)
				}
			}
			return nil
		}
	}
	yes := func(p func(*config) *bool) func(*config, string) error {
		return func(c *config, v string) error {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return fmt.Errorf("%q is neither true nor false", v)
			}
			*p(c) = b
			return nil
		}
	}
	return []setting{
		{"db", "DATABASE_URL", "apiml.duckdb", "string", "DuckDB file, a path or duckdb://path; made on first use", setDB},
		{"retention", "", "", "string", "age from which nightly deletes records: 90d, 12w or a Go duration; empty = none is deleted", func(c *config, v string) (err error) {
			if c.Retention = 0; v == "" {
				return nil
			}
			if c.Retention, err = parseAge(v); err != nil || c.Retention <= 0 {
				return fmt.Errorf("%q is neither 90d, 12w nor a duration like 36h", v)
			}
			return nil
		}},
		{"seed", "", "1", "integer", "seed of everything random", func(c *config, v string) error {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no whole number of at least 0", v)
			}
			c.Seed = n
			return nil
		}},
		{"input.files", "", "", "array", "logs that nightly reads: paths and globs, as a list or separated by commas", func(c *config, v string) error {
			c.InputFiles = nil
			for f := range strings.SplitSeq(v, ",") {
				f = strings.TrimSpace(f)
				if _, err := filepath.Match(f, ""); err != nil {
					return fmt.Errorf("%q is no pattern: %w", f, err)
				}
				if f != "" {
					c.InputFiles = append(c.InputFiles, f)
				}
			}
			return nil
		}},
		{"input.format", "", "", "string", "log format; empty = found by the content", str(func(c *config) *string { return &c.InputFormat })},
		{"input.log_format", "", "", "string", "format of the lines: NGINX's log_format, Apache's LogFormat, or the path of an nginx.conf or httpd.conf", func(c *config, v string) error {
			c.InputLogFormat = v
			return ingest.CheckLogFormat(v)
		}},
		{"input.mapping", "", "", "array", "keys of a JSON log, LTSV, logfmt or table of your own: a list of FIELD=KEY, such as client=src.addr, target=req.path, latency_ms=took", func(c *config, v string) (err error) {
			var pairs []string
			for p := range strings.SplitSeq(v, ",") {
				if p = strings.TrimSpace(p); p != "" {
					pairs = append(pairs, p)
				}
			}
			c.InputMapping, err = ingest.CheckMapping(pairs)
			return err
		}},
		{"input.redact", "", "true", "boolean", "mask secrets and card numbers before a record leaves the reader", yes(func(c *config) *bool { return &c.InputRedact })},
		{"input.redact_pii", "", "false", "boolean", "mask e-mail addresses and phone numbers in URLs too", yes(func(c *config) *bool { return &c.InputRedactPII })},
		{"input.exclude_ip", "", "", "array", "addresses and networks (CIDR) whose requests do not count", list(func(c *config) *[]string { return &c.InputExcludeIP })},
		{"input.exclude_path", "", "", "array", "patterns of paths that do not count, /health or /static/**", list(func(c *config) *[]string { return &c.InputExcludePath })},
		{"input.real_ip_header", "", "", "string", "header that names the client behind a trusted proxy; empty = X-Forwarded-For", str(func(c *config) *string { return &c.InputRealIPHeader })},
		{"input.trusted_proxies", "", "", "array", "addresses and networks (CIDR) of proxies whose header counts", list(func(c *config) *[]string { return &c.InputTrustedProxies })},
		{"input.anonymize_ip", "", "false", "boolean", "replace addresses by prefix-preserving pseudonyms (Crypto-PAn)", yes(func(c *config) *bool { return &c.InputAnonymizeIP })},
		{"input.anonymize_key_file", "", "", "string", "file of the key for input.anonymize_ip, made on first use", str(func(c *config) *string { return &c.InputAnonymizeKeyFile })},
		{"input.min_parsed", "", "0", "number", "share of lines that must parse, else exit 3", share(func(c *config) *float64 { return &c.InputMinParsed })},
		{"models.dir", "MODEL_PATH", "models", "string", "folder of model files", str(func(c *config) *string { return &c.ModelsDir })},
		{"models.retrain_interval", "RETRAIN_INTERVAL", "24h", "string", "age from which train --if-older and nightly fit a model anew, a Go duration", func(c *config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return fmt.Errorf("%q is no duration such as 24h", v)
			}
			c.RetrainInterval = d
			return nil
		}},
		{"models.retrain_drift", "", "true", "boolean", "whether nightly fits a model anew before that if new records have drifted from what its file remembers", yes(func(c *config) *bool { return &c.RetrainDrift })},
		{"models.cv", "", "5", "integer", "folds of the cross-validation, 0 = none", whole(func(c *config) *int { return &c.CV }, 0)},
		{"models.acknowledge", "", "", "array", "columns and fields that the leakage audit of `train` is not to warn about, as a list or separated by commas", list(func(c *config) *[]string { return &c.Acknowledge })},
		{"security.threshold", "", "0", "number", "attack probability from which a request is flagged; 0 = the model's own, set on clean training traffic", share(func(c *config) *float64 { return &c.Threshold })},
		{"security.anomaly_threshold", "ANOMALY_THRESHOLD", "0.7", "number", "anomaly score from which a request counts as unusual; while it is not set, the threshold in the model file goes first", share(func(c *config) *float64 { return &c.AnomalyThreshold })},
		{"security.rate_limit", "RATE_LIMIT", "100/minute", "string", "limit per client address that the rule baseline uses, COUNT/UNIT", func(c *config, v string) error {
			r, err := score.ParseRateLimit(v)
			c.RateLimit = r
			return err
		}},
		{"report.title", "", "API traffic report", "string", "title of the report", str(func(c *config) *string { return &c.Title })},
		{"report.top", "", "20", "integer", "rows in the report's rankings", whole(func(c *config) *int { return &c.Top }, 1)},
		{"report.dir", "", "reports", "string", "folder into which nightly writes a folder per period and index.html", func(c *config, v string) error {
			if v == "" {
				return errors.New("is empty; give the path of a folder")
			}
			c.ReportDir = v
			return nil
		}},
		{"report.period", "", "day", "string", "what nightly keeps a report of: day, or week (ISO 8601), of the newest record", func(c *config, v string) error {
			if v != "day" && v != "week" {
				return fmt.Errorf("%q is neither day nor week", v)
			}
			c.ReportPeriod = v
			return nil
		}},
		{"report.keep", "", "14", "integer", "periods that nightly keeps; the oldest are removed", whole(func(c *config) *int { return &c.ReportKeep }, 1)},
		{"log.level", "LOG_LEVEL", "info", "string", "debug, info, warn or error", func(c *config, v string) error {
			c.LogLevel = strings.ToLower(v)
			var l slog.Level
			if l.UnmarshalText([]byte(c.LogLevel)) != nil {
				return fmt.Errorf("%q is none of debug, info, warn, error", v)
			}
			return nil
		}},
		{"log.file", "LOG_FILE", "", "string", "file to which messages are appended too", str(func(c *config) *string { return &c.LogFile })},
	}
}

// setDB takes a path or a DATABASE_URL of DuckDB.
func setDB(c *config, v string) error {
	if scheme, rest, ok := strings.Cut(v, "://"); ok {
		if scheme != "duckdb" {
			return fmt.Errorf("%s:// is no database that apiml can use: it keeps everything in one embedded DuckDB file; give a path or duckdb://path", clean(scheme))
		}
		v = rest
	}
	if v == "" {
		return errors.New("is empty; give the path of a DuckDB file")
	}
	c.DB = v
	return nil
}

// envName is the environment variable of a key: APIML_MODELS_DIR.
func envName(key string) string {
	return "APIML_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// loadConfig builds the configuration: flag > APIML_* > file > default. path
// "" means apiml.yaml in the working folder, if there is one. Every error names
// where the value came from.
func loadConfig(path string, flags map[string]string, getenv func(string) (string, bool)) (*config, error) {
	c := &config{origin: map[string]string{}, text: map[string]string{}, Params: map[string]map[string]any{}}
	table := settings()
	apply := func(s setting, v, from string) error {
		if err := s.set(c, v); err != nil {
			return fmt.Errorf("%s: %s: %w", from, s.key, err)
		}
		c.origin[s.key], c.text[s.key] = from, v
		return nil
	}
	for _, s := range table {
		if err := apply(s, s.def, "default"); err != nil {
			return nil, err
		}
	}
	if path == "" {
		if v, ok := getenv("APIML_CONFIG"); ok && v != "" {
			path = v
		}
	}
	given := path != ""
	if !given {
		path = "apiml.yaml"
	}
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		c.file = path
		if err := c.readFile(path, b, table, apply); err != nil {
			return nil, err
		}
	case given || !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("configuration: %w", err)
	}
	for _, s := range table {
		for _, name := range []string{s.origin, s.key} {
			if name == "" {
				continue
			}
			if v, ok := getenv(envName(name)); ok {
				if err := apply(s, v, envName(name)); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, s := range table {
		if v, ok := flags[s.key]; ok {
			if err := apply(s, v, "flag"); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// readFile applies the keys of a YAML file; an unknown one is an error with
// its line.
func (c *config) readFile(path string, b []byte, table []setting, apply func(setting, string, string) error) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	seen := map[string]int{}
	var walk func(prefix string, n *yaml.Node) error
	walk = func(prefix string, n *yaml.Node) error {
		if n.Kind != yaml.MappingNode {
			return fmt.Errorf("%s:%d: want key: value pairs", path, n.Line)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			key := prefix + k.Value
			if first, dup := seen[key]; dup {
				return fmt.Errorf("%s:%d: key %q stands here again, first in line %d", path, k.Line, key, first)
			}
			seen[key] = k.Line
			if key == "models.params" {
				if err := v.Decode(&c.Params); err != nil {
					return fmt.Errorf("%s:%d: models.params: want MODEL: {Parameter: value}: %w", path, v.Line, err)
				}
				c.origin[key] = fmt.Sprintf("%s:%d", path, k.Line)
				if err := checkParams(path, v, c.Params); err != nil {
					return err
				}
				continue
			}
			s, ok := findSetting(table, key)
			if !ok && v.Kind == yaml.MappingNode && isSection(table, key) {
				if err := walk(key+".", v); err != nil {
					return err
				}
				continue
			}
			if !ok {
				return fmt.Errorf("%s:%d: unknown key %q; known here: %s", path, k.Line, key, strings.Join(knownKeys(table, prefix), ", "))
			}
			value := v.Value
			if v.Kind == yaml.SequenceNode && s.kind == "array" {
				list, err := joinList(v)
				if err != nil {
					return fmt.Errorf("%s:%d: %s: %w", path, v.Line, key, err)
				}
				value = list
			} else if v.Kind != yaml.ScalarNode {
				return fmt.Errorf("%s:%d: %s: want one value", path, v.Line, key)
			}
			if err := apply(s, value, fmt.Sprintf("%s:%d", path, k.Line)); err != nil {
				return err
			}
		}
		return nil
	}
	return walk("", doc.Content[0])
}

// joinList makes the text of a list of values: separated by commas, as in the
// environment.
func joinList(n *yaml.Node) (string, error) {
	var out []string
	for _, v := range n.Content {
		if v.Kind != yaml.ScalarNode || strings.Contains(v.Value, ",") {
			return "", errors.New("want a list of values without commas, such as [a.log, b.log]")
		}
		out = append(out, v.Value)
	}
	return strings.Join(out, ", "), nil
}

// checkParams refuses models and parameters that there are not, with the line.
func checkParams(path string, node *yaml.Node, params map[string]map[string]any) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		k := node.Content[i]
		specs, err := catalog.Resolve([]string{k.Value})
		if err != nil {
			return fmt.Errorf("%s:%d: models.params: %w", path, k.Line, err)
		}
		b, err := json.Marshal(params[k.Value])
		if err != nil {
			return fmt.Errorf("%s:%d: models.params: %w", path, k.Line, err)
		}
		for _, s := range specs {
			if err := checkModelParams(s, b); err != nil {
				return fmt.Errorf("%s:%d: models.params: %w", path, k.Line, err)
			}
		}
	}
	return nil
}

// checkModelParams merges parameters over the defaults of a model and throws
// the result away: complain now, not after minutes of reading.
func checkModelParams(s model.Spec, params json.RawMessage) error {
	if s.Default == nil {
		return nil
	}
	c := reflect.New(reflect.TypeOf(s.Default()))
	c.Elem().Set(reflect.ValueOf(s.Default()))
	return model.MergeConfig(s.Name, params, c.Interface())
}

func findSetting(table []setting, key string) (setting, bool) {
	for _, s := range table {
		if s.key == key || s.origin != "" && s.origin == key {
			return s, true
		}
	}
	return setting{}, false
}

func isSection(table []setting, name string) bool {
	for _, s := range table {
		if strings.HasPrefix(s.key, name+".") {
			return true
		}
	}
	return false
}

// knownKeys lists the next parts of the keys below prefix, in table order.
func knownKeys(table []setting, prefix string) []string {
	var out []string
	for _, s := range table {
		rest, ok := strings.CutPrefix(s.key, prefix)
		if !ok {
			continue
		}
		part, _, _ := strings.Cut(rest, ".")
		if len(out) == 0 || out[len(out)-1] != part {
			out = append(out, part)
		}
	}
	if prefix == "models." {
		out = append(out, "params")
	}
	return out
}

// params returns the configuration of a model as JSON, nil for none. A key of
// models.params may be any name of the model.
func (c *config) params(names ...string) (json.RawMessage, error) {
	for _, n := range names {
		p, ok := c.Params[n]
		if !ok {
			continue
		}
		b, err := json.Marshal(p)
		if err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("models.params.%s: %w", n, err))
		}
		return b, nil
	}
	return nil, nil
}

// configSchema is the JSON Schema of apiml.yaml, from the same table.
func configSchema() map[string]any {
	object := func() map[string]any {
		return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
	}
	root := object()
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "apiml.yaml"
	for _, s := range settings() {
		at := root
		parts := strings.Split(s.key, ".")
		for _, p := range parts[:len(parts)-1] {
			props := at["properties"].(map[string]any)
			if props[p] == nil {
				props[p] = object()
			}
			at = props[p].(map[string]any)
		}
		leaf := map[string]any{"type": s.kind, "description": s.doc, "default": jsonValue(s.kind, s.def)}
		if s.kind == "array" { // or its values in one string, separated by commas
			leaf["type"], leaf["items"] = []string{"array", "string"}, map[string]any{"type": "string"}
		}
		at["properties"].(map[string]any)[parts[len(parts)-1]] = leaf
		if s.origin != "" {
			root["properties"].(map[string]any)[s.origin] = map[string]any{"type": []string{"string", "number"}, "description": "the same as " + s.key}
		}
	}
	models := root["properties"].(map[string]any)["models"].(map[string]any)["properties"].(map[string]any)
	models["params"] = map[string]any{
		"type": "object", "description": "parameters per model, as `apiml models inspect` shows them",
		"additionalProperties": map[string]any{"type": "object"},
	}
	return root
}

func jsonValue(kind, text string) any {
	switch kind {
	case "integer":
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	case "number":
		f, _ := strconv.ParseFloat(text, 64)
		return f
	case "boolean":
		return text == "true"
	case "array":
		return []string{} // the only default of a list so far
	}
	return text
}
