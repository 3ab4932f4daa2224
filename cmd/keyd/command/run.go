package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/keyd-hsm/keyd/server"
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

// listeners are the open sockets of a daemon; health and mfa may be nil.
type listeners struct{ api, health, mfa *listen.Server }

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

// localHeader bounds the header of a request on the MFA socket, in bytes.
const localHeader = 8 << 10

// localConnections is the least that the MFA socket takes, whatever the other
// listeners do: twice as many as may wait for outcomes at a time.
const localConnections = 1024

// openMFA binds the MFA socket. On failure it closes the others.
func (l *listeners) openMFA(c listen.Config, timeout time.Duration) (err error) {
	c.Limits.HeaderBytes, c.Limits.Write = localHeader, server.LongestWait(timeout)
	c.Limits.Connections = max(c.Limits.Connections, localConnections)
	if l.mfa, err = listen.Open(c); err != nil {
		_ = l.api.Close()
		if l.health != nil {
			_ = l.health.Close()
		}
		return fmt.Errorf("mfa: %w", err)
	}
	return nil
}

// run serves what is behind the door until ctx ends, then drains. Work goes on
// beside: that of the appliance, and what opens the door. SIGHUP reads the
// certificate again.
func (d *door) run(ctx context.Context, l listeners, control http.Handler, work func(context.Context) error, reg *prometheus.Registry, logger *slog.Logger) error {
	tune(os.Getenv)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	group, ctx := errgroup.WithContext(ctx)
	api := d.through(func(a *appliance) http.Handler { return a.server }, server.Sealed())
	group.Go(func() error { return l.api.Run(ctx, controlled(control, api)) })
	if l.health != nil {
		group.Go(func() error { return l.health.Run(ctx, healthHandler(d.ready, reg)) })
	}
	if l.mfa != nil {
		local := d.through(func(a *appliance) http.Handler { return a.local }, server.SealedSocket())
		group.Go(func() error { return l.mfa.Run(ctx, local) })
	}
	group.Go(func() error { return work(ctx) })
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

// run serves an appliance that is open until ctx ends.
func (a *appliance) run(ctx context.Context, l listeners, reg *prometheus.Registry, logger *slog.Logger) error {
	work := func(ctx context.Context) error { return a.work(ctx, logger) }
	return openDoor(a).run(ctx, l, alwaysOpen(), work, reg, logger)
}

// work does what is due without a request, until ctx ends.
func (a *appliance) work(ctx context.Context, logger *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.server.Run(ctx) })
	group.Go(func() error { return a.local.Run(ctx) })
	group.Go(func() error {
		return a.kms.FillPool(ctx, func(err error) { logger.Warn("pool of RSA keys", "error", err) })
	})
	group.Go(func() error { return a.server.KeepConnected(ctx) })
	return group.Wait()
}
