package importrule

// anything allows every room: where things are joined.
const anything = "*"

// rooms says for each room which others of ours it may import. A directory
// below a room belongs to it, unless it is a room itself. One that is in no
// room may hold no Go file.
var rooms = map[string][]string{
	"api":      {},
	"policy":   {},
	"hsm":      {},
	"store":    {},
	"envelope": {},

	"internal/durable":    {},
	"internal/keywrap":    {},
	"internal/term":       {},
	"internal/importrule": {},
	"internal/testkit":    {anything},

	"audit": {"internal/durable"},

	"hsm/pkcs11":  {"hsm"},
	"hsm/piv":     {"hsm", "internal/durable", "internal/keywrap"}, // its token is a file
	"hsm/hsmtest": {"hsm"},
	"softhsm":     {"hsm", "hsm/pkcs11"},

	"store/bolt":      {"store"},
	"store/etcd":      {"store"},
	"store/storetest": {"store"},

	"iam":          {"policy", "store"},
	"kms":          {"hsm", "internal/keywrap", "policy", "store"},
	"mfa":          {"iam", "mfa/protocol", "store"},
	"sts":          {"iam", "mfa", "store"},
	"authz":        {"iam", "kms", "policy", "sts"},
	"mfa/protocol": {},
	"mfa/client":   {"mfa/protocol"},
	"server":       {"api", "audit", "authz", "iam", "kms", "mfa", "mfa/protocol", "policy", "sts"},

	"cmd/keyctl":         {"cmd/keyctl/command"},
	"cmd/keyctl/command": {"api", "audit", "envelope", "hsm/piv", "internal/keywrap", "internal/term", "mfa/client", "mfa/protocol", "policy"},
	"cmd/keyd":           {"cmd/keyd/command"},
	"cmd/keyd/command":   {anything},
	"e2e":                {anything},
}

// testsAlso are the rooms that _test.go files of every room may import besides:
// the real token, sealer and store instead of a mock, the suites that implementations
// pass, the client by which applications ask, and the kit that starts a whole server.
var testsAlso = []string{"hsm", "hsm/hsmtest", "hsm/pkcs11", "hsm/piv", "softhsm", "kms", "store", "store/bolt", "store/storetest", "internal/testkit", "mfa/client"}

// kept lists packages, with all below them, that only some rooms may import.
var kept = []struct {
	path  string
	rooms []string
	// testsFree: _test.go files may import it anywhere.
	testsFree bool
}{
	{"net/http", []string{"server", "mfa/client", "cmd/keyctl/command", "cmd/keyd/command", "e2e", "internal/testkit"}, true},
	{"github.com/miekg/pkcs11", []string{"hsm/pkcs11"}, false},
	{"github.com/ThalesGroup/crypto11", []string{"hsm/pkcs11"}, false},
	{"github.com/ThalesIgnite/crypto11", []string{"hsm/pkcs11"}, false},
	{"github.com/go-piv/piv-go", []string{"hsm/piv"}, true}, // the virtual card is written for tests
	{"go.etcd.io/bbolt", []string{"store/bolt"}, false},
	{"go.etcd.io/etcd", []string{"store/etcd"}, false},
}
