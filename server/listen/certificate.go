package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkEvery is how often a handshake may cost a look at the files.
const checkEvery = time.Second

// certificate is a key pair in two files, read again when they change.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu       sync.Mutex // guards the rest
	pair     *tls.Certificate
	read     [2]os.FileInfo // the files when pair was read
	checked  time.Time
	reported string // the last complaint, so that it is logged once
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("tls: a certificate and its key go together: set both files")
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.reload()
}

// reload reads the files; on failure the pair in use stays.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load()
}

func (c *certificate) load() error {
	c.checked = time.Now()
	// Stat before reading: a change in between is then seen next time.
	seen, err := c.stat()
	if err != nil {
		return fmt.Errorf("tls certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls certificate %q with key %q: %w", c.certFile, c.keyFile, err)
	}
	c.pair, c.read, c.reported = &pair, seen, ""
	return nil
}

func (c *certificate) stat() (seen [2]os.FileInfo, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if seen[i], err = os.Stat(name); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// get answers a handshake, after a look at the files if the last one was a
// while ago. A pair that is half replaced does not load; the old one serves.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < checkEvery {
		return c.pair, nil
	}
	c.checked = time.Now()
	if !c.changed() {
		return c.pair, nil
	}
	err := c.load()
	switch {
	case err == nil:
		c.log.Info("tls certificate reloaded", "file", c.certFile)
	case err.Error() != c.reported:
		c.reported = err.Error()
		c.log.Error("tls certificate not reloaded, the old one stays in use", "err", err)
	}
	return c.pair, nil
}

func (c *certificate) changed() bool {
	now, err := c.stat()
	for i := range now {
		if err != nil || !os.SameFile(now[i], c.read[i]) || now[i].Size() != c.read[i].Size() || !now[i].ModTime().Equal(c.read[i].ModTime()) {
			return true
		}
	}
	return false
}
