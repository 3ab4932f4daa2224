package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// newEvent is the part of an event that all have.
func (s *Server) newEvent(at time.Time, region string) *audit.Event {
	return &audit.Event{
		EventTime: at, EventID: uuid.NewString(), AWSRegion: region, RecipientAccountID: s.Account,
	}
}

// event describes a call as CloudTrail does. f is why it failed, nil if it did
// not. It holds names, parameters and the encryption context, never plaintexts
// or secrets.
func (s *Server) event(c *call, f *fault) *audit.Event {
	e := s.newEvent(c.received, c.region)
	e.RequestID = c.id
	e.EventName = printable(c.name)
	if e.EventName == "" {
		e.EventName = "Unknown"
	}
	if c.service != nil {
		e.EventSource = c.service.EventSource
	}
	e.UserIdentity = userIdentity(c, f)
	e.SourceIPAddress, e.UserAgent = peer(c.r), printable(c.r.UserAgent())
	e.TLSDetails = tlsDetails(c.r)
	e.Resources = resources(c.keys())
	if c.route != nil {
		e.ReadOnly = c.route.level.readOnly()
	}
	if c.in != nil {
		e.RequestParameters = parameters(c.in)
	}
	if f != nil {
		e.ErrorCode, e.ErrorMessage = f.code, f.message
	} else if c.route != nil && c.out != nil && (c.route.apply != nil || givesSession(c)) {
		e.ResponseElements = parameters(c.out)
	}
	if c.identity.SignatureHash != "" {
		e.AdditionalEventData = detail("signatureSha256", c.identity.SignatureHash)
	}
	return e
}

// givesSession reports whether the answer may hold temporary credentials, whose
// access key id the log must have, so that what is done by them can be followed.
func givesSession(c *call) bool {
	return c.service == stsapi.Service || c.service == mfaapi.Service && c.name == "GetChallengeSessionToken"
}

// userIdentity says who called. Before a signature has been proved there is at
// most the access key id that it claimed.
func userIdentity(c *call, f *fault) audit.UserIdentity {
	if c.caller.ARN == "" {
		u := audit.UserIdentity{Type: "Unknown"}
		if f != nil {
			u.AccessKeyID = f.claimed
		}
		return u
	}
	return audit.UserIdentity{
		Type: c.caller.Type, PrincipalID: c.caller.ID, ARN: c.caller.ARN, UserName: c.caller.Name,
		AccountID: c.caller.Account, AccessKeyID: c.identity.AccessKeyID, SessionContext: sessionContext(c.caller),
	}
}

// sessionContext describes temporary credentials; nil for long-lived ones.
func sessionContext(p iam.Principal) *audit.SessionContext {
	if p.Session == nil {
		return nil
	}
	s := &audit.SessionContext{Attributes: &audit.SessionAttributes{
		CreationDate: p.Session.Issued.UTC().Format(time.RFC3339), MFAAuthenticated: strconv.FormatBool(p.Session.MFA),
	}}
	kind := map[string]string{iam.TypeAssumedRole: "Role", iam.TypeFederatedUser: iam.TypeUser}[p.Type]
	if kind != "" {
		s.SessionIssuer = &audit.SessionIssuer{
			Type: kind, PrincipalID: p.ParentID, ARN: p.Parent, AccountID: p.Account,
			UserName: p.Parent[strings.LastIndexByte(p.Parent, '/')+1:],
		}
	}
	return s
}

// peer is the client's address, or what it is called on the Unix socket.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || host == "" {
		return "local socket"
	}
	return host
}

func tlsDetails(r *http.Request) *audit.TLSDetails {
	if r.TLS == nil {
		return nil
	}
	return &audit.TLSDetails{
		TLSVersion:               tls.VersionName(r.TLS.Version),
		CipherSuite:              tls.CipherSuiteName(r.TLS.CipherSuite),
		ClientProvidedHostHeader: printable(r.Host),
	}
}

func resources(keys []*kms.Key) []audit.Resource {
	rs := make([]audit.Resource, len(keys))
	for i, k := range keys {
		rs[i] = audit.Resource{AccountID: k.Account, Type: "AWS::KMS::Key", ARN: k.ARN()}
	}
	return rs
}
