package command

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/keyd-hsm/keyd/server/listen"
)

// newLogger logs JSON.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// newRegistry is where metrics are collected.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// listeners are the open sockets of a daemon; health may be nil.
type listeners struct{ api, health *listen.Server }

// openListeners binds all sockets, so that a port in use is said before
// anything runs.
func openListeners(api listen.Config, health string) (l listeners, err error) {
	if l.api, err = listen.Open(api); err != nil {
		return l, err
	}
	if health == "" {
		return l, nil
	}
	if l.health, err = listen.Open(listen.Config{Addr: health, Log: api.Log}); err != nil {
		_ = l.api.Close()
	}
	return l, err
}

// run serves until ctx ends, then drains. SIGHUP reads the certificate again.
func (a *appliance) run(ctx context.Context, l listeners, reg *prometheus.Registry, logger *slog.Logger) error {
	tune(os.Getenv)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.api.Run(ctx, a.server) })
	if l.health != nil {
		group.Go(func() error { return l.health.Run(ctx, healthHandler(a.ready, reg)) })
	}
	group.Go(func() error { return a.server.Run(ctx) })
	group.Go(func() error {
		return a.kms.FillPool(ctx, func(err error) { logger.Warn("pool of RSA keys", "error", err) })
	})
	group.Go(func() error { return a.server.KeepConnected(ctx) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				if err := l.api.Reload(); err != nil {
					logger.Error("certificate not reloaded; the old one stays", "error", err)
					continue
				}
				logger.Info("certificate reloaded")
			}
		}
	})
	return group.Wait()
}
