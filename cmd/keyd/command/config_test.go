package command

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func none(string) string { return "" }

// TestExampleConfiguration: docs/keyd.yaml is taken as it is and names every
// field there is.
func TestExampleConfiguration(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "keyd.yaml")
	c, err := loadConfig(configFlags{file: path}, none)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/keyd" || c.RequestTimeout != 30*time.Second || c.Listen.MaxConnections != 1024 {
		t.Errorf("read as %+v", c)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fieldNames(reflect.TypeFor[Config]()) {
		if !strings.Contains(string(text), name+":") {
			t.Errorf("docs/keyd.yaml does not name %s", name)
		}
	}
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("yaml"); !strings.HasPrefix(name, ",") {
			names = append(names, name)
		}
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && strings.HasSuffix(of.Name(), "Config") {
			names = append(names, fieldNames(of)...)
		}
	}
	return names
}

func TestConfigurationRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field":       "data_dir: x\nfoo: 1",
		"unknown token field": "data_dir: x\ntoken: {pin: 1234}",
		"duplicate field":     "data_dir: x\ndata_dir: y",
		"no data_dir":         "regions: [eu-1]",
		"bad region":          "data_dir: x\nregions: [EU 1]",
		"no region":           "data_dir: x\nregions: []",
		"two documents":       "data_dir: x\n---\ndata_dir: y",
		"wrong type":          "data_dir: [x]",
		"uri and label":       "data_dir: x\ntoken: {uri: 'pkcs11:token=a', label: b}",
		"PIN in the URI":      "data_dir: x\ntoken: {uri: 'pkcs11:token=a?pin-value=1234'}",
		"socket mode":         "data_dir: x\nlisten: {socket_mode: '0999'}",
		"negative timeout":    "data_dir: x\nrequest_timeout: -1s",
		"log level":           "data_dir: x\nlog_level: loud",
		"large pool":          "data_dir: x\nrsa_pool: 101",
		"negative pool":       "data_dir: x\nrsa_pool: -1",
		"cluster id":          "data_dir: x\ncustom_key_stores: [{cluster_id: cluster-1, module: m, label: l}]",
		"cluster twice":       "data_dir: x\ncustom_key_stores: [{cluster_id: cluster-aaaaaaaaaaa, module: m}, {cluster_id: cluster-aaaaaaaaaaa, module: m}]",
		"cluster's PIN file":  "data_dir: x\ncustom_key_stores: [{cluster_id: cluster-aaaaaaaaaaa, module: m, pin_file: p}]",
		"cluster's PIN":       "data_dir: x\ncustom_key_stores: [{cluster_id: cluster-aaaaaaaaaaa, module: m, pin: 1234}]",
		"cluster's module":    "data_dir: x\ncustom_key_stores: [{cluster_id: cluster-aaaaaaaaaaa, label: l}]",
		"cluster's URI":       "data_dir: x\ncustom_key_stores: [{cluster_id: cluster-aaaaaaaaaaa, module: m, uri: 'pkcs11:token=a', label: b}]",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyd.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if c, err := loadConfig(configFlags{file: path}, none); err == nil {
				t.Errorf("taken as %+v", c)
			} else if strings.Contains(err.Error(), "1234") {
				t.Errorf("the PIN stands in the error: %v", err)
			}
		})
	}
}

func TestFlagsOverEnvironmentOverFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyd.yaml")
	if err := os.WriteFile(path, []byte("data_dir: file\nhealth_listen: file\nlisten: {address: file}"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"KEYD_HEALTH_LISTEN": "env", "KEYD_LISTEN": "env", "KEYD_REGIONS": "a-1,b-1"}
	c, err := loadConfig(configFlags{file: path, listen: "flag"}, func(n string) string { return env[n] })
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "file" || c.HealthListen != "env" || c.Listen.Address != "flag" || len(c.Regions) != 2 {
		t.Errorf("got %+v", c)
	}
}

// FuzzConfig: no text makes the reader panic, and what is taken can be written
// and taken again.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "keyd.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("data_dir: x\nrequest_timeout: 1h\nlog_level: debug+2"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("data_dir: x\ncustom_key_stores: [{cluster_id: cluster-234567abcde, module: m, label: l, trust_anchor: f}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Config
		if parseConfig(text, &c) != nil {
			return
		}
		_ = c.check()
		out, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again Config
		if err := parseConfig(out, &again); err != nil {
			t.Errorf("%q became %q: %v", text, out, err)
		}
	})
}
