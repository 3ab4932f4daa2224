package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestPresigned: a URL that carries its signature answers whoever has it, and
// with a parameter more nobody.
func TestPresigned(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, filepath.Join(t.TempDir(), "keyd"), "--account", "111122223333")
	r, err := stsclient.NewPresignClient(d.sts(region)).PresignGetCallerIdentity(t.Context(), &stsclient.GetCallerIdentityInput{})
	must(t, err)
	fetch := func(url string) (int, string) {
		t.Helper()
		// What was signed beside the host is in the URL.
		answer, err := http.Get(url)
		must(t, err)
		defer answer.Body.Close()
		var body struct {
			Inner string `xml:",innerxml"`
		}
		must(t, xml.NewDecoder(answer.Body).Decode(&body))
		return answer.StatusCode, body.Inner
	}
	if status, body := fetch(r.URL); status != 200 || !strings.Contains(body, "<Arn>arn:aws:iam::111122223333:root</Arn>") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := fetch(r.URL + "&More=1"); status != 403 || !strings.Contains(body, "<Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("%d %s", status, body)
	}
}

// TestDryRun: AWS's clients may ask whether a call would work.
func TestDryRun(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, filepath.Join(t.TempDir(), "keyd"))
	key, yes := newKey(t, d), true
	blob := encrypt(t, d, key, []byte("x"))
	_, err := d.kms(region).Encrypt(t.Context(), &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x"), DryRun: &yes})
	if !hasCode(err, "DryRunOperationException") {
		t.Errorf("encrypt: %v", err)
	}
	_, err = d.kms(region).Decrypt(t.Context(), &kmsclient.DecryptInput{CiphertextBlob: blob, DryRun: &yes})
	if !hasCode(err, "DryRunOperationException") {
		t.Errorf("decrypt: %v", err)
	}
	_, err = d.kms(region).DisableKey(t.Context(), &kmsclient.DisableKeyInput{KeyId: &key})
	must(t, err)
	_, err = d.kms(region).Encrypt(t.Context(), &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x"), DryRun: &yes})
	if !hasCode(err, "DisabledException") {
		t.Errorf("encrypt with a disabled key: %v", err)
	}
}

// TestLongDirectory: the path of a Unix socket has a limit that directories do
// not have.
func TestLongDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	d := startDaemon(t, dir)
	c, err := net.Dial("unix", d.socket())
	must(t, err)
	must(t, c.Close())
	must(t, d.stop())
	if _, err := net.Dial("unix", d.socket()); err == nil {
		t.Error("the socket is still there")
	}
}

// TestDrain: SIGTERM lets a request finish whose body is still on its way, and
// then the daemon ends well.
func TestDrain(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, filepath.Join(t.TempDir(), "keyd"))
	body := []byte(`{"NumberOfBytes":32}`)
	head := signedHead(t, d, body)
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url(), "http://"))
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(append(head, body[:5]...))
	must(t, err)
	answers := bufio.NewReader(conn)
	// The server asks for the body once the request has its handler.
	line, err := answers.ReadString('\n')
	must(t, err)
	if !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q, want the server to ask for the body", line)
	}
	_, err = answers.ReadString('\n')
	must(t, err)

	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	until(t, "the daemon takes connections", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(d.url(), "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	_, err = conn.Write(body[5:])
	must(t, err)
	answer, err := http.ReadResponse(answers, nil)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != 200 || !bytes.Contains(text, []byte(`"Plaintext"`)) {
		t.Errorf("%s %s", answer.Status, text)
	}
}

// signedHead is the header of a signed GenerateRandom that waits for the server
// before it sends its body.
func signedHead(t *testing.T, d *daemon, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, d.url()+"/", bytes.NewReader(body))
	must(t, err)
	r.Header.Set("X-Amz-Target", "TrentService.GenerateRandom")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	c, err := d.provider().Retrieve(context.Background())
	must(t, err)
	sum := sha256.Sum256(body)
	must(t, v4.NewSigner().SignHTTP(context.Background(), c, r, hex.EncodeToString(sum[:]), "kms", region, time.Now()))
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n", r.Host, len(body))
	must(t, r.Header.Write(&b))
	b.WriteString("\r\n")
	return b.Bytes()
}
