package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// rootedDir is a data directory of a keyd whose token is sealed to a virtual card,
// and the environment of the programs that work on it.
type rootedDir struct {
	dir, socket string
	card        *pivtest.Card
	env         []string
}

func newRootedDir(t *testing.T, card *pivtest.Card) rootedDir {
	t.Helper()
	work := t.TempDir()
	r := rootedDir{dir: filepath.Join(work, "data"), socket: filepath.Join(work, "s"), card: card}
	if len(r.socket) > 100 {
		t.Fatalf("socket %s: the path is too long", r.socket)
	}
	r.env = append(os.Environ(), card.Environ()...)
	r.env = append(r.env, "KEYD_DATA_DIR="+r.dir, "KEYD_TOKEN_URI=piv:", "KEYD_SOCKET="+r.socket, "KEYD_LISTEN_SOCKET="+r.socket,
		fmt.Sprintf("KEYD_PIV_MANAGEMENT_KEY=%x", pivtest.DefaultManagementKey()))
	return r
}

// command is a program in that environment.
func (r rootedDir) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = r.env
	return cmd
}

// must runs a command that must succeed.
func (r rootedDir) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := r.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRootedInitKilled kills init at many points of its work. A directory that is
// left can be made again, with the key that is on the card by then.
func TestRootedInitKilled(t *testing.T) {
	card := pivtest.Start(t)
	for after := time.Duration(0); after < 200*time.Millisecond; after = after*3/2 + time.Millisecond {
		r := newRootedDir(t, card)
		first := r.command("keyd", "init", "--piv-use-existing")
		if after == 0 { // this one finds no key, makes it, and is not killed
			r.must(t, "keyd", "init")
			continue
		}
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(after, func() { _ = first.Process.Kill() })
		killed := first.Wait()
		out, err := r.command("keyd", "init", "--piv-use-existing").CombinedOutput()
		if err != nil && !strings.Contains(string(out), "an appliance is here already") {
			t.Fatalf("killed after %v (%v), the next init: %v\n%s", after, killed, err, out)
		}
		if err := sound(r.dir); err != nil {
			t.Errorf("killed after %v: %v", after, err)
		}
	}
}

// TestSealedMemory reads the memory of a sealed daemon: none of the keys that its
// file holds is in it. They are in that of an open one, so they would be found.
func TestSealedMemory(t *testing.T) {
	card := pivtest.Start(t)
	card.Setenv(t)
	r := newRootedDir(t, card)
	r.must(t, "keyd", "init")
	keys := openTokenFile(t, r)

	d := r.command("keyd", "serve")
	var said output
	d.Stderr = &said
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.Process.Signal(syscall.SIGTERM)
		if err := errors.Join(d.Wait(), sound(r.dir)); err != nil || said.raced() {
			t.Errorf("keyd serve: %v\n%s", err, &said)
		}
	})
	await(t, "the sealed daemon answers", func() bool { return r.command("keyctl", "unseal", "--status").Run() == nil })
	found, err := countIn(d.Process.Pid, keys)
	if errors.Is(err, fs.ErrPermission) {
		t.Log("only root may read the daemon's memory, and this is not root")
		return
	}
	if err != nil || found != 0 {
		t.Fatalf("the sealed daemon's memory holds its keys %d times, %v", found, err)
	}
	pin := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(pin, []byte(card.PIN()), 0o600); err != nil {
		t.Fatal(err)
	}
	r.must(t, "keyctl", "unseal", "--pin-file", pin)
	if found, err := countIn(d.Process.Pid, keys); err != nil || found < len(keys) {
		t.Errorf("the open daemon's memory holds its keys %d times, %v: the search finds nothing", found, err)
	}
	r.must(t, "keyctl", "seal")
	found, err = countIn(d.Process.Pid, keys)
	t.Logf("sealed again, copies that Go's heap still holds: %d, %v", found, err)
}

// openTokenFile opens a token's file as docs/spec/piv-token.md says, with nothing of
// keyd's but the card: the token key and the domain keys.
func openTokenFile(t *testing.T, r rootedDir) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "piv-token.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Token string
		Cards []struct {
			Serial uint32
			Slot   string
			Public []byte `json:"public_key"`
			Sealed []byte
		}
		Domains []struct {
			ID      string
			Wrapped []byte
		} `json:"domain_keys"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	card, err := piv.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	onCard, err := card.Public(t.Context(), piv.KeyManagement)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Cards[0]
	public, err := ecdh.P256().NewPublicKey(c.Public)
	if err != nil {
		t.Fatal(err)
	}
	private, err := hpke.NewDHKEMPrivateKey(cardExchange{t.Context(), card, r.card.PIN(), onCard, public})
	if err != nil {
		t.Fatal(err)
	}
	info := lengths("keyd piv token key v1", f.Token, strconv.Itoa(int(c.Serial)), c.Slot, string(c.Public))
	key, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), info, c.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	keys := [][]byte{key}
	for _, d := range f.Domains {
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		domain, err := gcm.Open(nil, d.Wrapped[1:13], d.Wrapped[13:], lengths("keyd piv domain key v1", f.Token, d.ID))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, domain)
	}
	if len(keys) < 2 {
		t.Fatal("no domain key")
	}
	return keys
}

// cardExchange is the key in slot 9d as HPKE wants it.
type cardExchange struct {
	ctx    context.Context
	card   *piv.Card
	pin    string
	onCard any
	public *ecdh.PublicKey
}

func (c cardExchange) PublicKey() *ecdh.PublicKey { return c.public }
func (c cardExchange) Curve() ecdh.Curve          { return c.public.Curve() }

func (c cardExchange) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	return c.card.Agree(c.ctx, piv.KeyManagement, piv.KnownPIN([]byte(c.pin)), c.onCard, peer, nil)
}

// lengths puts the length before each text.
func lengths(texts ...string) []byte {
	var b []byte
	for _, s := range texts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}

// countIn counts how often the keys stand in a process's memory.
func countIn(pid int, keys [][]byte) (n int, err error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil {
			return n, err
		}
		// The race detector's shadow is terabytes, and holds no data.
		if !strings.HasPrefix(mode, "rw") || to-from > 1<<30 {
			continue
		}
		page := make([]byte, to-from)
		if _, err := memory.ReadAt(page, int64(from)); err != nil {
			continue // not there to be read
		}
		for _, k := range keys {
			n += bytes.Count(page, k)
		}
	}
	return n, lines.Err()
}
