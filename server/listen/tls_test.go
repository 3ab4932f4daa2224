package listen_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/server/listen"
)

// writePair writes a self-signed certificate with the serial number.
func writePair(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serial asks the server for its certificate.
func serial(t *testing.T, s running) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func tlsConfig(t *testing.T) listen.Config {
	dir := t.TempDir()
	c := listen.Config{Addr: loopback, CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	writePair(t, c.CertFile, c.KeyFile, 1)
	return c
}

func TestTLS(t *testing.T) {
	s := start(t, tlsConfig(t), echo)
	url := "https://" + s.Addr().String()
	for _, h2 := range []bool{false, true} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2}
		c := client(t, tr)
		var posts sync.WaitGroup
		for range 10 {
			posts.Go(func() { post(t, c, url, "hello") })
		}
		posts.Wait()
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if (resp.ProtoMajor == 2) != h2 {
			t.Errorf("protocol %s", resp.Proto)
		}
	}
	if c, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 was accepted")
	}
	plain := dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, _ := io.ReadAll(plain); strings.Contains(string(answer), "200 OK") {
		t.Errorf("plain HTTP on the TLS port: %q", answer)
	}
}

func TestTLSHalfOpen(t *testing.T) {
	config := tlsConfig(t)
	config.Limits = listen.Limits{Connections: 4, Header: time.Hour, Body: time.Hour}
	s := start(t, config, echo)
	for range 8 {
		dial(t, s, "")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	post(t, client(t, tr), "https://"+s.Addr().String(), "hello")
}

func TestCertificateReload(t *testing.T) {
	config := tlsConfig(t)
	s := start(t, config, echo)
	if got := serial(t, s); got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
	writePair(t, config.CertFile, config.KeyFile, 2)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := serial(t, s); got != 2 {
		t.Errorf("after Reload: serial %d, want 2", got)
	}

	if err := os.WriteFile(config.KeyFile, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil || strings.Contains(err.Error(), "half a fi") {
		t.Errorf("a broken key file: %v", err)
	}
	if got := serial(t, s); got != 2 {
		t.Errorf("with a broken key file: serial %d, want 2", got)
	}

	writePair(t, config.CertFile, config.KeyFile, 3)
	for end := time.Now().Add(patience); serial(t, s) != 3; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the new certificate was not noticed")
		}
	}
}
