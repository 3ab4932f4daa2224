package testkit

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/softhsm"
)

// A Cluster is a further SoftHSM2 token, for a custom key store.
type Cluster struct {
	ID    string
	Token *softhsm.Token
	PIN   string // what the key store's password must be
	// Away keeps the token from being opened, as if it were unplugged.
	Away bool
	// Changed has the token refuse the password, as if its PIN had been changed.
	Changed bool
	// Logins counts how often a PIN was tried.
	Logins int
}

// NewCluster makes a token. Give it to Start with WithClusters.
func NewCluster(t testing.TB, id string) *Cluster {
	t.Helper()
	c := &Cluster{ID: id, Token: softhsm.Test(t)}
	pin, err := os.ReadFile(c.Token.PINFile())
	if err != nil {
		t.Fatal(err)
	}
	c.PIN = strings.TrimSpace(string(pin))
	return c
}

// WithClusters puts further tokens into the configuration, without a trust anchor.
func WithClusters(clusters ...*Cluster) Option {
	return func(o *options) {
		if o.clusters == nil {
			o.clusters = make(map[string]kms.Cluster)
		}
		for _, c := range clusters {
			o.clusters[c.ID] = kms.Cluster{Open: c.open}
		}
	}
}

// WithTrustAnchor has a cluster ask for a certificate.
func WithTrustAnchor(id, pem string) Option {
	return func(o *options) {
		c := o.clusters[id]
		c.TrustAnchor = pem
		o.clusters[id] = c
	}
}

func (c *Cluster) open(ctx context.Context, pin string) (hsm.Token, error) {
	if c.Away {
		return nil, hsm.ErrUnavailable
	}
	c.Logins++
	if c.Changed {
		pin = "not-" + pin
	}
	cfg := c.Token.Config()
	cfg.PIN = pkcs11.NewPIN(pin)
	return pkcs11.Open(ctx, cfg)
}
