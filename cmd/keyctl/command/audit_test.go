package command_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

// event is the i-th event of these tests; every third was refused.
func event(i int) audit.Event {
	e := audit.Event{
		EventTime: time.Unix(1_700_000_000+int64(i), 0), EventSource: "kms.amazonaws.com", EventName: fmt.Sprintf("Encrypt%d", i),
		AWSRegion: "local-1", EventID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i),
		UserIdentity: audit.UserIdentity{Type: "Root", ARN: "arn:aws:iam::111122223333:root"},
		Resources:    []audit.Resource{{Type: "AWS::KMS::Key", ARN: keyARN}},
	}
	if i%3 == 2 {
		e.ErrorCode = "DisabledException"
	}
	return e
}

func appendEvent(t *testing.T, l *audit.Log, i int) {
	t.Helper()
	record, err := event(i).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(record); err != nil {
		t.Fatal(err)
	}
}

// dataDir makes a data directory with a log of n events in it, and returns both.
func dataDir(t *testing.T, n int) (data, log string) {
	t.Helper()
	t.Setenv("KEYD_AUDIT_DIR", "")
	data = t.TempDir()
	log = filepath.Join(data, "audit")
	l, err := audit.Create(log, "keyd.test/audit")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		appendEvent(t, l, i)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return data, log
}

func TestAuditVerify(t *testing.T) {
	data, log := dataDir(t, 12)
	for _, dir := range []string{data, log} {
		got := ok(t, "", "audit", "verify", dir)
		for _, want := range []string{"log          keyd.test/audit\n", "records      12\n", "root         ", "result       whole"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", dir, want, got)
			}
		}
	}
	t.Setenv("KEYD_AUDIT_DIR", log)
	root := strings.Split(mustRead(t, filepath.Join(log, "checkpoint")), "\n")[2]
	wantJSON(t, ok(t, "", "audit", "verify", "-o", "json"), `{"Valid":true,"Origin":"keyd.test/audit","Size":12,"Root":"`+root+
		`","CheckpointSize":12,"CheckpointRoot":"`+root+`","Segments":1}`)
}

func TestAuditVerifySaysWhere(t *testing.T) {
	data, log := dataDir(t, 12)
	path := filepath.Join(log, "entries-00000000000000000000.jsonl")
	text := mustRead(t, path)
	if err := os.WriteFile(path, []byte(strings.Replace(text, `"Encrypt7"`, `"Encrypt8"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, 8, "", []string{"audit", "verify", data}, "entries-00000000000000000000.jsonl:8: record 7: record was changed", "hint: copy the directory")
	r := keyctl("", "audit", "verify", data, "-o", "json")
	if r.code != 8 || !strings.Contains(r.stdout, `"Valid": false`) || !strings.Contains(r.stdout, `"Line": 8`) || !strings.Contains(r.stdout, `"Record": 7`) {
		t.Errorf("%+v", r)
	}
}

func TestAuditDirRefused(t *testing.T) {
	t.Setenv("KEYD_AUDIT_DIR", "")
	for _, verb := range []string{"verify", "tail"} {
		fails(t, 2, "", []string{"audit", verb}, "no audit log named", "KEYD_AUDIT_DIR")
		fails(t, 4, "", []string{"audit", verb, t.TempDir()}, "no audit log there")
		fails(t, 4, "", []string{"audit", verb, filepath.Join(t.TempDir(), "none")}, "no audit log there")
	}
	data, _ := dataDir(t, 1)
	fails(t, 2, "", []string{"audit", "tail", data, "-n", "-1"}, "negative")
}

func TestAuditTail(t *testing.T) {
	data, log := dataDir(t, 12)
	got := ok(t, "", "audit", "tail", data, "--no-follow", "-n", "2")
	want := "2023-11-14 22:13:30Z  root                  Encrypt10                 ok            key/" + keyID + "\n" +
		"2023-11-14 22:13:31Z  root                  Encrypt11                 DisabledException  key/" + keyID + "\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := ok(t, "", "audit", "tail", log, "--no-follow"); strings.Count(got, "\n") != 10 {
		t.Errorf("by default:\n%s", got)
	}
	all := ok(t, "", "audit", "tail", log, "--no-follow", "-n", "1000", "-o", "json")
	if all != mustRead(t, filepath.Join(log, "entries-00000000000000000000.jsonl")) {
		t.Errorf("JSON is not what stands in the log:\n%s", all)
	}
}

func TestAuditTailShowsForeignTextSafely(t *testing.T) {
	_, log := dataDir(t, 0)
	l, _, err := audit.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	e := event(0)
	e.EventName = "a\x1b[2Jb\nc"
	record, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][]byte{record, []byte("not json")} {
		if _, err := l.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := ok(t, "", "audit", "tail", log, "--no-follow")
	if strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 2 || !strings.HasSuffix(got, "record 1: no event\n") {
		t.Errorf("got %q", got)
	}
}

// TestAuditTailFollows: what is added while it runs is shown, and no more than
// what was asked of the past.
func TestAuditTailFollows(t *testing.T) {
	_, log := dataDir(t, 3)
	l, _, err := audit.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(lineWriter, 16)
	ended := make(chan int)
	go func() {
		var stderr bytes.Buffer
		ended <- command.MainContext(ctx, []string{"audit", "tail", log, "-n", "1"}, strings.NewReader(""), lines, &stderr)
	}()
	for i := 2; i < 5; i++ {
		// The first line says that it runs; each event after it is new.
		if i > 2 {
			appendEvent(t, l, i)
		}
		if got, want := <-lines, fmt.Sprintf("Encrypt%d ", i); !strings.Contains(got, want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d", code)
	}
}

// lineWriter hands on each line written.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
