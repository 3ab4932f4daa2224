package server

import (
	"errors"
	"net/http"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/sts"
)

// mfaSessionRoutes are the rows by which a caller gets for a signature what
// GetSessionToken gives for a code. They change nothing in the store that the gate
// looks at, and like GetSessionToken they need no permission.
func mfaSessionRoutes() []*route {
	return []*route{
		use(mfaOp("CreateSessionChallenge"), levelWrite, resolveSessionChallenge, nil, createSessionChallenge),
		use(mfaOp("GetChallengeSessionToken"), levelRead, resolveChallengeToken, nil, challengeSessionToken),
	}
}

func resolveSessionChallenge(_ *Server, c *call, _ kms.Tx, _ *mfaapi.CreateSessionChallengeRequest) ([]authz.Check, error) {
	return ownSession(c)
}

func resolveChallengeToken(s *Server, c *call, tx kms.Tx, _ *mfaapi.GetChallengeSessionTokenRequest) ([]authz.Check, error) {
	if err := s.holdsFactor(c, tx); err != nil {
		return nil, err
	}
	return ownSession(c)
}

// ownSession refuses whoever calls with session credentials, as GetSessionToken
// does, and lets everybody else in: a user needs no permission to prove who they are.
func ownSession(c *call) ([]authz.Check, error) {
	if c.caller.Session != nil {
		return nil, &kms.Error{Code: kms.CodeAccessDenied, Message: "Cannot call " + c.name + " with session credentials"}
	}
	return []authz.Check{{Action: "keyd:" + c.name, Resource: "*", Public: true}}, nil
}

func createSessionChallenge(s *Server, c *call, _ *mfaapi.CreateSessionChallengeRequest) (*mfaapi.CreateSessionChallengeResponse, error) {
	q := mfa.Question{
		Challenge: protocol.Challenge{
			User: c.caller.Name, Purpose: sessionPurpose + c.caller.ARN, Methods: []string{protocol.PIV}, Credentials: true,
		},
		From: c.caller.ARN, Owner: mfa.OwnerOf(c.caller),
	}
	if c.caller.IsRoot() {
		q.User = rootName
	}
	err := s.State.View(c.ctx, func(tx kms.Tx) error {
		_, keys, err := s.MFA.MethodsOf(tx, q.Owner)
		q.Devices = securityKeys(keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	made, err := s.sessions.Ask(q)
	if errors.Is(err, mfa.ErrTooMany) {
		return nil, exception(mfaapi.LimitExceededException, "There are too many challenges that wait for an answer; try again when they have expired.")
	}
	if err != nil {
		return nil, err
	}
	return &mfaapi.CreateSessionChallengeResponse{
		ChallengeId: &made.ID, Nonce: made.Nonce, Account: &made.Account, UserName: &made.User, Purpose: &made.Purpose,
		Expiration: api.At(made.Expires), Devices: sessionDevices(made),
	}, nil
}

// sessionPurpose is what a security key signs for, followed by who calls.
const sessionPurpose = "session of "

func sessionDevices(c protocol.Challenge) []mfaapi.Device {
	list := make([]mfaapi.Device, 0, len(c.Devices))
	for _, d := range c.Devices {
		list = append(list, mfaapi.Device{
			SerialNumber: &d.SerialNumber, UserName: &c.User, Type: new(mfaapi.DeviceTypePiv), Slot: &d.Slot,
			PublicKeySHA256: d.PublicKeySHA256, CardSerial: new(int64(d.Card)),
		})
	}
	return list
}

// challengeSessionToken answers a challenge of the caller's and gives the session.
// Each challenge is good for one.
func challengeSessionToken(s *Server, c *call, in *mfaapi.GetChallengeSessionTokenRequest) (*mfaapi.GetChallengeSessionTokenResponse, error) {
	answer := protocol.Answer{Device: *in.SerialNumber, Signature: in.Signature}
	q, err := s.sessions.Find(*in.ChallengeId)
	if err == nil && q.From != c.caller.ARN {
		err = mfa.ErrNoChallenge // another's is none
	}
	var proof mfa.Proof
	if err == nil {
		err = s.sessions.Answer(c.ctx, q.ID, answer, func(p mfa.Proof, refusal error) error {
			proof = p
			return refusal // the call leaves its event itself
		})
	}
	if err != nil {
		return nil, challengeFault(err)
	}
	creds, err := s.STS.ProvenSession(c.ctx, c.caller, seconds(in.DurationSeconds), proof)
	if err != nil {
		return nil, err
	}
	c.proof = proof
	return &mfaapi.GetChallengeSessionTokenResponse{Credentials: sessionCredentials(creds)}, nil
}

// challengeFault says why a signature was no answer.
func challengeFault(err error) error {
	switch {
	case errors.Is(err, mfa.ErrNoChallenge):
		return exception(mfaapi.NoSuchChallengeException, "There is no such challenge of yours, or it has ended.")
	case mfa.IsRefusal(err):
		return exception(mfaapi.InvalidSignatureException, "MultiFactorAuthentication failed, "+err.Error()+".")
	}
	return err
}

func exception(x *api.Exception, message string) error {
	return &fault{code: x.Code, message: message, status: max(x.Status, http.StatusBadRequest), sender: true}
}

func sessionCredentials(c *sts.Credentials) *mfaapi.Credentials {
	secret, token := api.SecretString(c.Secret), api.SecretString(c.Token)
	return &mfaapi.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &secret, SessionToken: &token, Expiration: api.At(c.Expires)}
}
