package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/durable"
	"github.com/keyd-hsm/keyd/internal/term"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/server/listen"
	"github.com/keyd-hsm/keyd/softhsm"
	"github.com/keyd-hsm/keyd/store"
)

// Names that dev adds to a data directory.
const (
	tokenDir   = "token"
	envFile    = "env"
	socketFile = "keyd.sock"
	mfaFile    = "mfa.sock"
)

// devRegion is the region that the env file names; dev serves any other too.
const devRegion = "us-east-1"

// devCluster is the cluster id of the second token.
const devCluster = "cluster-keyddevelop"

// maxSocketPath is what the kernel takes for the path of a Unix socket.
const maxSocketPath = 107

type devOptions struct {
	dir         string
	listen      string
	health      string
	account     string
	credentials string
	offset      time.Duration
	module      string
	issuers     []string
	pivRoots    []string
	logLevel    string
	out, errOut io.Writer
}

func newDev() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run an appliance for development, in one command",
		Long: `Run an appliance for development: a SoftHSM2 token, state and audit log under
one directory, made if they are not there and opened again if they are. It
serves any region over plain HTTP on loopback and a Unix socket. When it is
ready it writes DIR/env, shell exports for any AWS tool and keyctl.

NOT FOR PRODUCTION: the token is a directory of files with its PIN beside it.`,
		Example: `  keyd dev --dir ./dev
  . ./dev/env; keyctl whoami; aws kms list-keys
  keyd dev --dir ./dev --clock-offset 200h   # see deletion windows end`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.out, o.errOut = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return runDev(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.dir, "dir", "", "directory for everything (needed)")
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8420", "loopback HOST:PORT; port 0 takes a free one")
	fs.StringVar(&o.health, "health-listen", "127.0.0.1:0", "loopback HOST:PORT for /livez, /readyz and /metrics")
	fs.StringVar(&o.account, "account", "", "12 digits of a new appliance (default 000000000000)")
	fs.StringVar(&o.credentials, "root-credentials", "", "ID:SECRET of the root user's access key (default random, and kept)")
	fs.DurationVar(&o.offset, "clock-offset", 0, "move the clock of keys and schedules, not that of signatures")
	fs.StringVar(&o.module, "module", "", "PKCS#11 module instead of SoftHSM2's own, as pkcs11-spy.so with PKCS11SPY set")
	fs.StringArrayVar(&o.issuers, "oidc-jwks", nil, "ISSUER=FILE: keys of an OIDC issuer, instead of asking it; may be given again")
	fs.StringArrayVar(&o.pivRoots, "piv-root", nil, "PEM `FILE` with authorities that attest security keys, beside Yubico's; may be given again")
	fs.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

func runDev(ctx context.Context, o devOptions) (err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return usage(fmt.Errorf("log level %q: %w", o.logLevel, err), "use debug, info, warn or error")
	}
	if o.dir == "" {
		return usage(errors.New("--dir is not set"), "as in keyd dev --dir ./dev")
	}
	if o.account != "" {
		if err := checkAccount(o.account); err != nil {
			return err
		}
	}
	if o.credentials != "" {
		if _, err := iam.ParseCredentials(o.credentials); err != nil {
			return usage(err, "as in --root-credentials AKIAEXAMPLE:secret")
		}
	}
	issuers, err := issuerFiles(o.issuers)
	if err != nil {
		return err
	}
	roots, err := loadRoots(o.pivRoots)
	if err != nil {
		return usage(fmt.Errorf("--piv-root: %w", err), rootsHint)
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	if err := harden(); err != nil {
		return err
	}
	lock, err := lockData(o.dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	// A reader of the env file may take it for a sign that the daemon is ready.
	if err := os.Remove(filepath.Join(o.dir, envFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	token, further, err := openDevToken(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, token.Close()) }()

	clock := func() time.Time { return time.Now().Add(o.offset) }
	if err := foundDev(ctx, o, token, clock); err != nil {
		return err
	}
	logger, reg := newLogger(o.errOut, level), newRegistry()
	a, err := openAppliance(ctx, opening{
		dir: o.dir, token: token, region: regionName.MatchString, clock: clock, issuers: issuers, clusters: further, rsaPool: 1,
		logger: logger, metrics: server.NewMetrics(reg), local: devLocal(),
		piv: mfa.PIVRules{Attestor: attestor{roots}},
	})
	if err != nil {
		return openingFailure(err)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if o.account != "" && o.account != a.account {
		return usage(fmt.Errorf("account %s: the appliance in %s has account %s", o.account, o.dir, a.account),
			"leave --account out, or name another --dir")
	}
	return serveDev(ctx, o, a, reg, logger)
}

// openDevToken makes the SoftHSM2 token or opens it again, and finds the second one
// for a custom key store.
func openDevToken(ctx context.Context, o devOptions) (hsm.Token, map[string]kms.Cluster, error) {
	dir, opts := filepath.Join(o.dir, tokenDir), softhsm.Options{Module: o.module}
	t, err := softhsm.Open(dir, opts)
	if errors.Is(err, softhsm.ErrNone) {
		if _, stateErr := os.Stat(filepath.Join(o.dir, stateFile)); stateErr == nil {
			return nil, nil, hinted(fmt.Errorf("%s: %w, but state that was made with one", dir, err),
				"put the token directory back, or name another --dir")
		}
		t, err = softhsm.Create(ctx, dir, opts)
	}
	if errors.Is(err, softhsm.ErrNoModule) {
		return nil, nil, hinted(err, "run make setup, or: apt-get install softhsm2")
	}
	if err != nil {
		return nil, nil, err
	}
	second, err := t.Second(ctx)
	if err != nil {
		return nil, nil, err
	}
	further := map[string]kms.Cluster{devCluster: cluster("", second.Config())}
	token, err := pkcs11.Open(ctx, t.Config())
	return token, further, err
}

// foundDev makes the appliance if it is not there.
func foundDev(ctx context.Context, o devOptions, token hsm.Token, clock func() time.Time) error {
	credentials := iam.NewCredentials()
	if o.credentials != "" {
		var err error
		if credentials, err = iam.ParseCredentials(o.credentials); err != nil {
			return err
		}
	}
	account := o.account
	if account == "" {
		account = "000000000000"
	}
	err := found(ctx, founding{dir: o.dir, account: account, credentials: credentials, token: token, clock: clock})
	if errors.Is(err, errAppliance) {
		return nil
	}
	return err
}

// replaceRootKey puts the access key of --root-credentials in place of the one
// that the appliance has.
func replaceRootKey(ctx context.Context, a *appliance, c iam.Credentials) error {
	k, err := a.iam.SealRootKey(ctx, c)
	if err != nil {
		return err
	}
	return a.db.Update(ctx, func(tx store.Tx) error { return a.iam.PutRootKey(tx, k) })
}

func serveDev(ctx context.Context, o devOptions, a *appliance, reg *prometheus.Registry, logger *slog.Logger) error {
	if o.credentials != "" {
		c, err := iam.ParseCredentials(o.credentials)
		if err != nil {
			return err
		}
		if err := replaceRootKey(ctx, a, c); err != nil {
			return err
		}
	}
	credentials, err := a.iam.RootCredentials(ctx)
	if err != nil {
		return err
	}
	socket, remove, err := devSocket(o.dir)
	if err != nil {
		return err
	}
	defer remove()
	l, err := openListeners(listen.Config{Addr: o.listen, Socket: socket, Log: logger}, o.health)
	if err != nil {
		return err
	}
	mfaSocket := filepath.Join(filepath.Dir(socket), mfaFile)
	if err := l.openMFA(listen.Config{Socket: mfaSocket, Log: logger}, server.DefaultTimeout); err != nil {
		return err
	}
	env := []string{
		"AWS_ENDPOINT_URL=http://" + l.api.Addr().String(),
		"AWS_ACCESS_KEY_ID=" + credentials.ID,
		"AWS_SECRET_ACCESS_KEY=" + string(credentials.Secret),
		"AWS_REGION=" + devRegion,
		"AWS_DEFAULT_REGION=" + devRegion,
		"KEYD_SOCKET=" + socket,
		"KEYCTL_MFA_SOCKET=" + mfaSocket,
		"KEYD_AUDIT_DIR=" + filepath.Join(o.dir, auditDir),
		"KEYD_HEALTH_URL=http://" + l.health.Addr().String(),
		"KEYD_CLUSTER_ID=" + devCluster,
		"KEYD_CLUSTER_PIN_FILE=" + filepath.Join(o.dir, tokenDir, "pin"),
	}
	path := filepath.Join(o.dir, envFile)
	if err := durable.WriteFile(path, exports(env), 0o600); err != nil {
		return err
	}
	defer os.Remove(path)
	greet(o, a, l, path, mfaSocket)
	return a.run(ctx, l, reg, logger)
}

// devLocal lets the local user who runs dev do everything on the MFA socket.
func devLocal() server.SocketConfig {
	return server.SocketConfig{Region: devRegion, Rules: []server.LocalRule{{
		UIDs: []uint32{uint32(os.Getuid())}, AnyUser: true, Users: []string{"root"},
		May: []server.Right{server.MayAsk, server.MayAnswer, server.MayCredentials},
	}}}
}

// devSocket is where the socket goes: beside the rest, or where the path would
// be longer than the kernel takes, in a directory of its own.
func devSocket(dir string) (path string, remove func(), err error) {
	path = filepath.Join(dir, socketFile)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	short, err := os.MkdirTemp("", "keyd-")
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(short, socketFile), func() { _ = os.RemoveAll(short) }, nil
}

// exports writes shell assignments; values are quoted for any POSIX shell.
func exports(env []string) []byte {
	var b strings.Builder
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		b.WriteString("export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'\n")
	}
	return []byte(b.String())
}

func greet(o devOptions, a *appliance, l listeners, env, mfaSocket string) {
	style := term.StyleOf(o.out)
	fmt.Fprintf(o.out, `%s
Keys are in a SoftHSM2 token under %s, with its PIN beside it.

Account %s, any region, at http://%s
Health and metrics at http://%s
Programs of yours ask whether a person is there at %s

Next, in another terminal:

  . %s
  keyctl whoami
  keyctl key create --alias alias/demo
  echo hello | keyctl encrypt --key alias/demo | keyctl decrypt
  aws --endpoint-url $AWS_ENDPOINT_URL kms list-keys

A second token is there for a custom key store:

  keyctl store create second --cluster $KEYD_CLUSTER_ID --password-file $KEYD_CLUSTER_PIN_FILE
  keyctl store connect second
  keyctl key create --store second

Ctrl-C ends it; the same --dir has everything again.
`, style.Yellow("DEVELOPMENT MODE: not for secrets that matter."), o.dir,
		a.account, l.api.Addr(), l.health.Addr(), mfaSocket, shellWord(env))
	if o.offset != 0 {
		fmt.Fprintf(o.out, "The clock of keys and schedules is moved by %s.\n", o.offset)
	}
}

func shellWord(path string) string {
	if strings.Trim(path, "/.-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
