package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/keyd-hsm/keyd/audit"
)

// What a key is in, as far as changes go. Keys of all kinds are compared as a
// whole, so whatever is here is neither lost nor made up by a crash.
type keyState struct {
	state       types.KeyState
	description string
	kind        keyKind
	tag         string // value of the tag crashTag; "" without
	grants      string // names of the grants, sorted
	rotations   int    // on demand
	replica     bool   // there is one in crashReplica
	imported    bool   // of an imported key: its material is there
}

type keyKind string

const (
	kindSymmetric keyKind = "symmetric"
	kindPair      keyKind = "pair"
	kindRelated   keyKind = "multi-Region"
	kindImported  keyKind = "imported"
)

// A keyModel is what a client knows of a key that it alone changes. After a
// change that was not answered there are two states that it may be in.
type keyModel struct {
	id     string
	may    []keyState
	params *kmsclient.GetParametersForImportOutput // for its import; nil: not asked for yet
}

// at is the state of a key that is known for sure.
func (k *keyModel) at() keyState { return k.may[0] }

// A message is an acknowledged ciphertext, or a signature.
type message struct {
	key        string
	blob       []byte
	signed     bool
	plaintext  []byte
	encContext map[string]string
}

// An answered call is one whose whole answer has reached a client.
type answered struct {
	request, operation string
	failed             bool
}

// witness is the HTTP client of all clients of a round. It writes down which
// calls were answered.
type witness struct {
	http.Transport
	tolerant bool // an internal error is no answer: what was done is not known

	mu      sync.Mutex
	answers []answered // guarded by mu
}

// Do implements aws.HTTPClient.
func (w *witness) Do(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if w.tolerant && resp.StatusCode >= http.StatusInternalServerError {
		return resp, nil
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, answered{resp.Header.Get("X-Amzn-Requestid"), operation, resp.StatusCode != http.StatusOK})
	return resp, nil
}

// take returns what was answered since the last take.
func (w *witness) take() []answered {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.answers = nil }()
	return w.answers
}

// unanswered reports whether err says that no whole answer came.
func (c *client) unanswered(err error) bool {
	var send *smithyhttp.RequestSendError
	return errors.As(err, &send) || c.tolerant && codeOf(err) == "KMSInternalException"
}

// codeOf is AWS's code of an answered call, "" for a success.
func codeOf(err error) string {
	var refusal smithy.APIError
	if errors.As(err, &refusal) {
		return refusal.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// A ledger is what the audit log says, read as it grows.
type ledger struct {
	dir      string
	next     int64 // index of the first event not read yet
	requests map[string]event
	ids      map[string]bool
	keys     map[string]keyState
	aliases  map[string]string // key id by name
	grants   map[string]string // name by grant id
}

// event is the part of an audit event that matters here.
type event struct {
	EventID, EventName, ErrorCode, RequestID string

	Resources         []struct{ ARN string }
	RequestParameters struct {
		AliasName, TargetKeyID, Description, Name, GrantID string
		Tags                                               []struct{ TagValue string }
	}
	ResponseElements struct {
		GrantID     string
		KeyMetadata struct {
			Description string
			KeySpec     types.KeySpec
			Origin      types.OriginType
			MultiRegion bool
		}
	}
}

func newLedger(dir string) *ledger {
	return &ledger{
		dir: filepath.Join(dir, "audit"), requests: make(map[string]event), ids: make(map[string]bool),
		keys: make(map[string]keyState), aliases: make(map[string]string), grants: make(map[string]string),
	}
}

// read takes in the events that came since the last read: no request and no
// event may be there twice.
func (l *ledger) read(t *testing.T) {
	t.Helper()
	for entry, err := range audit.Read(l.dir, l.next) {
		if err != nil {
			t.Fatal(err)
		}
		var e event
		if err := json.Unmarshal(entry.Record, &e); err != nil {
			t.Fatalf("event %d: %v", entry.Index, err)
		}
		l.next = entry.Index + 1
		if first, twice := l.requests[e.RequestID]; twice && e.RequestID != "" {
			t.Errorf("request %s has two events: %+v and %+v", e.RequestID, first, e)
		}
		if l.ids[e.EventID] {
			t.Errorf("event %s is in the log twice", e.EventID)
		}
		l.requests[e.RequestID], l.ids[e.EventID] = e, true
		if e.ErrorCode == "" {
			l.apply(e)
		}
	}
}

// apply does to the ledger's state what the event says was done.
func (l *ledger) apply(e event) {
	id := ""
	if len(e.Resources) > 0 {
		id = e.Resources[0].ARN[strings.LastIndexByte(e.Resources[0].ARN, '/')+1:]
	}
	k := l.keys[id]
	switch e.EventName {
	case "CreateKey":
		m := e.ResponseElements.KeyMetadata
		k = newState(kindOf(m.KeySpec, m.Origin, m.MultiRegion), m.Description)
	case "UpdateKeyDescription":
		k.description = e.RequestParameters.Description
	case "EnableKey":
		k.state = types.KeyStateEnabled
	case "DisableKey":
		k.state = types.KeyStateDisabled
	case "CancelKeyDeletion":
		k = k.cancelled()
	case "ScheduleKeyDeletion":
		k = k.scheduled()
	case "TagResource":
		k.tag = e.RequestParameters.Tags[0].TagValue
	case "UntagResource":
		k.tag = ""
	case "CreateGrant":
		l.grants[e.ResponseElements.GrantID] = e.RequestParameters.Name
		k = k.granted(e.RequestParameters.Name)
	case "RevokeGrant":
		k = k.revoked(l.grants[e.RequestParameters.GrantID])
	case "RotateKeyOnDemand":
		k.rotations++
	case "ReplicateKey":
		k.replica = true
	case "ImportKeyMaterial":
		k = k.withMaterial(true)
	case "DeleteImportedKeyMaterial":
		k = k.withMaterial(false)
	case "CreateAlias", "UpdateAlias":
		l.aliases[e.RequestParameters.AliasName] = e.RequestParameters.TargetKeyID
		return
	case "DeleteAlias":
		delete(l.aliases, e.RequestParameters.AliasName)
		return
	default:
		return
	}
	l.keys[id] = k
}

// holds checks that answered calls have their one event, which tells the same.
func (l *ledger) holds(t *testing.T, calls []answered) {
	t.Helper()
	for _, c := range calls {
		e, ok := l.requests[c.request]
		switch {
		case !ok:
			t.Errorf("%s %s was answered and has no event", c.operation, c.request)
		case e.EventName != c.operation || (e.ErrorCode != "") != c.failed:
			t.Errorf("%+v has the event %+v", c, e)
		}
	}
}

// agrees checks that every applied change has its event: what the events add up
// to is what is there.
func (l *ledger) agrees(t *testing.T, keys map[string]keyState, aliases map[string]string) {
	t.Helper()
	for _, d := range append(differences("key", keys, l.keys), differences("alias", aliases, l.aliases)...) {
		t.Error(d)
	}
}

// differences compares what the daemon says with what its log adds up to.
func differences[V comparable](what string, actual, logged map[string]V) (lines []string) {
	for name, v := range actual {
		if w, ok := logged[name]; !ok || v != w {
			lines = append(lines, fmt.Sprintf("%s %s is %v, its events say %v (%t)", what, name, v, w, ok))
		}
	}
	for name, w := range logged {
		if _, ok := actual[name]; !ok {
			lines = append(lines, fmt.Sprintf("%s %s is gone, its events say %v", what, name, w))
		}
	}
	slices.Sort(lines)
	return lines
}
