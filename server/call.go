package server

import (
	"context"
	"net/http"
	"time"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/server/sigv4"
	"github.com/keyd-hsm/keyd/sts"
)

// A call is one request on its way through the server. It belongs to the
// goroutine that serves it.
type call struct {
	ctx      context.Context
	r        *http.Request
	id       string    // request id
	received time.Time // by the appliance's clock
	protocol api.Protocol
	service  *api.Service // nil until routed
	name     string       // the operation's name, as asked for
	route    *route       // nil if the operation is not served
	body     []byte

	identity sigv4.Identity
	caller   iam.Principal // zero until the signature has been checked
	// credential is the access key that signed; nil for a call without signature.
	credential *credential
	web        *sts.WebIdentity // who calls by an OIDC token; nil for all others
	region     string

	in  any
	out any

	// What admit found: the key authorized, and for operations on two keys the
	// one that the request is about second.
	key, other *kms.Key
	hidden     *kms.Key     // named by a ciphertext only: a refusal must not tell that it exists
	grant      *kms.Grant   // to be revoked or retired
	made       *kms.Key     // by prepare
	undo       func()       // takes back what prepare made, where the change is not made; may be nil
	done       func()       // puts to use what prepare made, once the change is made; may be nil
	storeWork  storeWork    // by prepare of a custom key store's operation
	material   kms.Material // by prepare of a rotation or import
	fresh      freshKey     // by prepare of CreateAccessKey
	device     deviceWork   // by prepare of an operation on an MFA device
	proof      mfa.Proof    // of the code that came with the request, and is spent; zero if none did
}

// keys are the keys of the call, for the audit event.
func (c *call) keys() []*kms.Key {
	var ks []*kms.Key
	for _, k := range []*kms.Key{c.key, c.other} {
		if k != nil {
			ks = append(ks, k)
		}
	}
	return ks
}
