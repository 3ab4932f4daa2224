package command

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/server/listen"
)

type serveOptions struct {
	config configFlags
	in     io.Reader
	errOut io.Writer
}

func newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the appliance",
		Long: `Run the appliance that keyd init made. It logs JSON to standard error.

SIGTERM and SIGINT let requests in flight finish and end it; SIGHUP reads the
TLS certificate again, which happens by itself too when the file changes.`,
		Example: `  keyd serve --config /etc/keyd.yaml
  keyd serve --config /etc/keyd.yaml --listen 127.0.0.1:8420`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.in, o.errOut = cmd.InOrStdin(), cmd.ErrOrStderr()
			return runServe(cmd.Context(), o)
		},
	}
	o.config.bind(cmd)
	fs := cmd.Flags()
	fs.StringVar(&o.config.listen, "listen", "", "over listen.address (KEYD_LISTEN)")
	fs.StringVar(&o.config.socket, "socket", "", "over listen.socket (KEYD_LISTEN_SOCKET)")
	fs.StringVar(&o.config.mfaSocket, "mfa-socket", "", "over mfa.socket (KEYD_MFA_SOCKET)")
	fs.StringVar(&o.config.health, "health-listen", "", "over health_listen (KEYD_HEALTH_LISTEN)")
	fs.StringSliceVar(&o.config.regions, "regions", nil, "over regions (KEYD_REGIONS)")
	return cmd
}

func runServe(ctx context.Context, o serveOptions) (err error) {
	c, err := loadConfig(o.config, os.Getenv)
	if err != nil {
		return err
	}
	if c.Listen.Address == "" && c.Listen.Socket == "" {
		return usage(errors.New("nowhere to listen"), "set listen.address or listen.socket")
	}
	guardrails, err := c.Guardrails.load()
	if err != nil {
		return err
	}
	local, err := c.MFA.rules()
	if err != nil {
		return err
	}
	pivRules, err := c.MFA.PIV.rules()
	if err != nil {
		return err
	}
	further, err := clusters(c.CustomKeyStores)
	if err != nil {
		return err
	}
	if err := harden(); err != nil {
		return err
	}
	logger := newLogger(o.errOut, c.LogLevel)
	lock, err := lockData(c.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	reg := newRegistry()
	s := serving{
		config: c, logger: logger, reg: reg, opening: opening{
			dir: c.DataDir, region: inRegions(c.Regions), clock: time.Now, timeout: c.RequestTimeout, issuers: c.OIDCKeys,
			guardrails: guardrails, limits: c.Limits, clusters: further, rsaPool: c.RSAPool, logger: logger, metrics: server.NewMetrics(reg),
			local: server.SocketConfig{Rules: local, Region: c.Regions[0]}, piv: pivRules,
		},
	}
	if _, is, _ := c.Token.piv(); is {
		return s.rooted(ctx)
	}
	token, err := openToken(ctx, c.Token, o.in, o.errOut)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, token.Close()) }()
	a, err := s.open(ctx, token)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	l, err := s.listen()
	if err != nil {
		return err
	}
	s.say("serving", l, "account", a.account, "token", token.Info().String())
	return a.run(ctx, l, reg, logger)
}

// serving is what a daemon that serves is made of, but for its token.
type serving struct {
	config  Config
	opening opening
	reg     *prometheus.Registry
	logger  *slog.Logger
}

// open opens the appliance on a token, which stays the caller's.
func (s serving) open(ctx context.Context, token hsm.Token) (*appliance, error) {
	o := s.opening
	o.token = token
	a, err := openAppliance(ctx, o)
	if err != nil {
		return nil, openingFailure(err)
	}
	return a, nil
}

// listen binds all sockets of the configuration.
func (s serving) listen() (listeners, error) {
	c := s.config
	l, err := openListeners(c.Listen.listen(s.logger), c.HealthListen)
	if err != nil || c.MFA.Socket == "" {
		return l, err
	}
	mode, _ := c.MFA.mode() // checked when it was read
	return l, l.openMFA(listen.Config{
		Socket: c.MFA.Socket, SocketMode: mode, Log: s.logger, Limits: listen.Limits{Connections: c.Listen.MaxConnections},
	}, c.RequestTimeout)
}

func (s serving) say(what string, l listeners, more ...any) {
	s.logger.Info(what, append([]any{
		"address", l.api.Addr(), "socket", s.config.Listen.Socket, "mfaSocket", s.config.MFA.Socket, "regions", s.config.Regions,
	}, more...)...)
}

// rooted serves with a token that is sealed to a card: sealed at first.
func (s serving) rooted(ctx context.Context) (err error) {
	c := s.config
	if c.Listen.Socket == "" {
		return usage(errors.New("listen.socket is not set: it is where a sealed keyd is unsealed"), "docs/keyd.yaml lists every field")
	}
	sealed, err := piv.LoadToken(filepath.Join(c.DataDir, rootedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return noSealedToken(c.DataDir)
	}
	if err != nil {
		return err
	}
	named, _, err := c.Token.piv()
	if err == nil {
		err = named.matches(sealed)
	}
	if err != nil {
		return usage(err, "correct token.uri, or name another data directory")
	}
	pin, err := knownPIN(c.Token.PINFile, os.Getenv)
	if err != nil {
		return err
	}
	defer clear(pin)
	l, err := s.listen()
	if err != nil {
		return err
	}
	r := newRooted(sealed, c.Token.MaxHandles, c.Regions[0], s.logger, s.open)
	defer func() { err = errors.Join(err, r.close()) }()
	s.say("sealed: keyctl unseal opens it", l, "token", sealed.Info().String())
	return r.door.run(ctx, l, r.control(), func(ctx context.Context) error { return r.work(ctx, pin) }, s.reg, s.logger)
}

// openingFailure adds what to do to the errors of openAppliance.
func openingFailure(err error) error {
	if wrong := (*kms.WrongTokenError)(nil); errors.As(err, &wrong) {
		return hinted(err, "name the token %s, or another data directory", wrong.Made)
	}
	if errors.Is(err, errNoAppliance) {
		return hinted(err, "keyd init makes one")
	}
	return err
}
