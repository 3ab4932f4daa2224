package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/server/listen"
)

// Config is the configuration file of keyd init and keyd serve. docs/keyd.yaml
// is an example with every field. Fields that are not known are refused.
type Config struct {
	// DataDir holds the state, the audit log and the lock. Needed.
	DataDir string `yaml:"data_dir"`
	// Regions are those that requests may be signed for; each has its own keys
	// and aliases. Default: local-1.
	Regions []string `yaml:"regions"`
	// Token is the PKCS#11 token, or a token sealed to a YubiKey. Needed.
	Token TokenConfig `yaml:"token"`
	// CustomKeyStores are further tokens, for custom key stores. Default: none.
	CustomKeyStores []ClusterConfig `yaml:"custom_key_stores"`
	// Listen is where clients connect. An address or a socket is needed to serve.
	Listen ListenConfig `yaml:"listen"`
	// HealthListen is the host:port for /livez, /readyz and /metrics, over plain
	// HTTP. Default: none.
	HealthListen string `yaml:"health_listen"`
	// LogLevel is debug, info, warn or error. Default: info.
	LogLevel slog.Level `yaml:"log_level"`
	// RSAPool is how many RSA keys of each size are made in advance, so that
	// CreateKey need not wait for the token; 0 to 100. Default: 2.
	RSAPool int `yaml:"rsa_pool"`
	// RequestTimeout bounds the work on one request. Default: 30s.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// OIDCKeys are files with the keys of OIDC issuers, JSON Web Key Sets, by the
	// URL of the issuer; those of others are fetched over HTTPS. Default: none.
	OIDCKeys map[string]string `yaml:"oidc_jwks"`
	// Guardrails limit everybody in the account. Default: none.
	Guardrails GuardrailsConfig `yaml:"guardrails"`
	// MFA is about devices that prove that a person is there. Default: no socket.
	MFA MFAConfig `yaml:"mfa"`
	// Limits are numbers that AWS fixes. Default: AWS's, or larger.
	Limits LimitsConfig `yaml:"limits"`
}

// TokenConfig says which token to use and how.
type TokenConfig struct {
	// Module is the path of the vendor's PKCS#11 library. Needed, here or in URI.
	Module string `yaml:"module"`
	// URI names the token (RFC 7512), as in pkcs11:token=keyd;serial=0123; or the key
	// on a YubiKey that keyd's own token is sealed to, as in piv:serial=12345678;slot=9d,
	// without Module. Or:
	URI string `yaml:"uri"`
	// Label and Serial name it, alone or together.
	Label  string `yaml:"label"`
	Serial string `yaml:"serial"`
	// PINFile holds the user PIN on its first line. Otherwise the PIN comes from
	// KEYD_PIN, from the systemd credential keyd-pin, or from a prompt.
	PINFile string `yaml:"pin_file"`
	// MaxSessions bounds the calls that are in the token at a time. Default: 16.
	MaxSessions int `yaml:"max_sessions"`
	// MaxHandles bounds the unwrapped keys kept in the token. Default: 17000.
	MaxHandles int `yaml:"max_handles"`
}

// ListenConfig says where and how clients connect.
type ListenConfig struct {
	// Address is host:port. Without a certificate the host must be loopback.
	Address string `yaml:"address"`
	// TLSCert and TLSKey are PEM files; read again when they change and on SIGHUP.
	TLSCert string `yaml:"tls_cert"`
	TLSKey  string `yaml:"tls_key"`
	// Socket is the path of a Unix socket with the same API. Default: none.
	Socket string `yaml:"socket"`
	// SocketMode is its permissions, in octal. Default: "0600".
	SocketMode string `yaml:"socket_mode"`
	// MaxConnections bounds the connections of each listener. Default: 1024.
	MaxConnections int `yaml:"max_connections"`
}

// defaultRegion is the region of an appliance that names none.
const defaultRegion = "local-1"

// Pools of RSA keys: the default, and the most, which a token takes minutes to make.
const (
	defaultRSAPool = 2
	maxRSAPool     = 100
)

// regionName is what a region may be called: AWS's form, and a DNS label.
var regionName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)

var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// configFlags are the flags and environment variables that stand over the file.
// An empty one leaves the file's value.
type configFlags struct {
	file, dataDir, listen, socket, mfaSocket, health, module, token, pinFile, logLevel string
	regions                                                                            []string
}

// loadConfig reads the file and puts environment, then flags, over it.
func loadConfig(f configFlags, env func(string) string) (Config, error) {
	c := Config{Regions: []string{defaultRegion}, RSAPool: defaultRSAPool}
	file := or(f.file, env("KEYD_CONFIG"))
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return c, usage(err, "name the configuration file with --config")
		}
		if err := parseConfig(text, &c); err != nil {
			return c, usage(fmt.Errorf("%s: %w", file, err), "docs/keyd.yaml lists every field")
		}
	}
	over := func(field *string, flag, name string) {
		*field = or(flag, env(name), *field)
	}
	over(&c.DataDir, f.dataDir, "KEYD_DATA_DIR")
	over(&c.Listen.Address, f.listen, "KEYD_LISTEN")
	over(&c.Listen.Socket, f.socket, "KEYD_LISTEN_SOCKET")
	over(&c.MFA.Socket, f.mfaSocket, "KEYD_MFA_SOCKET")
	over(&c.HealthListen, f.health, "KEYD_HEALTH_LISTEN")
	over(&c.Token.Module, f.module, "KEYD_TOKEN_MODULE")
	over(&c.Token.URI, f.token, "KEYD_TOKEN_URI")
	over(&c.Token.PINFile, f.pinFile, "KEYD_PIN_FILE")
	if regions := env("KEYD_REGIONS"); regions != "" {
		c.Regions = strings.Split(regions, ",")
	}
	if len(f.regions) > 0 {
		c.Regions = f.regions
	}
	if text := or(f.logLevel, env("KEYD_LOG_LEVEL")); text != "" {
		if err := c.LogLevel.UnmarshalText([]byte(text)); err != nil {
			return c, usage(fmt.Errorf("log level %q: %w", text, err), "use debug, info, warn or error")
		}
	}
	return c, c.check()
}

// parseConfig reads one YAML document with known fields only.
func parseConfig(text []byte, c *Config) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		// The library says "field x not found in type command.Config".
		return errors.New(unknownField.ReplaceAllString(err.Error(), "field $1: there is none of that name"))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

func (c *Config) check() error {
	wrong := func(format string, args ...any) error {
		return usage(fmt.Errorf(format, args...), "docs/keyd.yaml lists every field")
	}
	switch {
	case c.DataDir == "":
		return wrong("data_dir is not set")
	case c.RequestTimeout < 0:
		return wrong("request_timeout is negative")
	case c.RSAPool < 0 || c.RSAPool > maxRSAPool:
		return wrong("rsa_pool is %d: want 0 to %d", c.RSAPool, maxRSAPool)
	case len(c.Regions) == 0:
		return wrong("regions is empty")
	}
	for _, r := range c.Regions {
		if !regionName.MatchString(r) {
			return wrong("region %q: want lower-case letters, digits and hyphens, as in eu-west-1", r)
		}
	}
	if err := c.Limits.check(); err != nil {
		return wrong("%w", err)
	}
	if _, err := c.Listen.mode(); err != nil {
		return wrong("socket_mode %q: want octal permissions, as in 0660", c.Listen.SocketMode)
	}
	if err := c.Token.check(); err != nil {
		return wrong("token: %w", err)
	}
	if err := checkClusters(c.CustomKeyStores); err != nil {
		return wrong("%w", err)
	}
	err := c.MFA.check(c.Listen)
	if hasHint := (*failure)(nil); errors.As(err, &hasHint) {
		return err
	}
	if err != nil {
		return wrong("%w", err)
	}
	return nil
}

func (l ListenConfig) mode() (fs.FileMode, error) {
	if l.SocketMode == "" {
		return 0, nil
	}
	m, err := strconv.ParseUint(l.SocketMode, 8, 9)
	return fs.FileMode(m), err
}

func (l ListenConfig) listen(log *slog.Logger) listen.Config {
	mode, _ := l.mode() // checked when it was read
	return listen.Config{
		Addr: l.Address, CertFile: l.TLSCert, KeyFile: l.TLSKey,
		Socket: l.Socket, SocketMode: mode,
		Limits: listen.Limits{Connections: l.MaxConnections},
		Log:    log,
	}
}

func (t TokenConfig) check() error {
	if _, is, err := t.piv(); is {
		return err
	}
	_, err := t.uri()
	return err
}

// uri is the one form of the ways to name a PKCS#11 token.
func (t TokenConfig) uri() (pkcs11.URI, error) {
	if t.URI == "" {
		return pkcs11.URI{Token: t.Label, Serial: t.Serial}, nil
	}
	if t.Label != "" || t.Serial != "" {
		return pkcs11.URI{}, errors.New("uri stands beside label or serial: give one of them")
	}
	return pkcs11.ParseURI(t.URI)
}

// inRegions is the rule which regions are served.
func inRegions(regions []string) func(string) bool {
	return func(r string) bool { return slices.Contains(regions, r) }
}

func or(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
