package command

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/server"
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
	token, err := openToken(ctx, c.Token, o.in, o.errOut)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, token.Close()) }()
	reg := newRegistry()
	a, err := openAppliance(ctx, opening{
		dir: c.DataDir, token: token, region: inRegions(c.Regions), clock: time.Now,
		timeout: c.RequestTimeout, issuers: c.OIDCKeys, guardrails: guardrails, limits: c.Limits, clusters: further, rsaPool: c.RSAPool, logger: logger, metrics: server.NewMetrics(reg),
	})
	if err != nil {
		return openingFailure(err)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	l, err := openListeners(c.Listen.listen(logger), c.HealthListen)
	if err != nil {
		return err
	}
	logger.Info("serving", "account", a.account, "address", l.api.Addr(), "socket", c.Listen.Socket,
		"token", token.Info().String(), "regions", c.Regions)
	return a.run(ctx, l, reg, logger)
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
