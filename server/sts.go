package server

import (
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
	"github.com/keyd-hsm/keyd/sts"
)

// stsRoutes are the rows of STS.
func stsRoutes() []*route {
	return []*route{
		query(stsOp("GetCallerIdentity"), levelRead, resolveCallerIdentity, getCallerIdentity),
		query(stsOp("GetAccessKeyInfo"), levelRead, onNothing[stsapi.GetAccessKeyInfoRequest]("sts:GetAccessKeyInfo"), getAccessKeyInfo),
		use(stsOp("DecodeAuthorizationMessage"), levelWrite,
			onNothing[stsapi.DecodeAuthorizationMessageRequest]("sts:DecodeAuthorizationMessage"), nil, decodeAuthorizationMessage),
		use(stsOp("GetSessionToken"), levelRead, resolveSessionToken, nil, getSessionToken),
		use(stsOp("GetFederationToken"), levelRead, resolveFederationToken, nil, getFederationToken),
		use(stsOp("AssumeRole"), levelWrite, resolveAssumeRole, nil, assumeRole),
		webIdentityRoute(),
	}
}

// resolveCallerIdentity: anyone who signed may ask who they are, even under an
// explicit deny.
func resolveCallerIdentity(*Server, *call, kms.Tx, *stsapi.GetCallerIdentityRequest) ([]authz.Check, error) {
	return []authz.Check{{Action: "sts:GetCallerIdentity", Resource: "*", Public: true}}, nil
}

func getCallerIdentity(_ *Server, c *call, _ *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
	return &stsapi.GetCallerIdentityResponse{UserId: &c.caller.ID, Account: &c.caller.Account, Arn: &c.caller.ARN}, nil
}

// getAccessKeyInfo knows the keys of this account only: long-lived ones because
// they are stored, temporary ones by the account in their id.
func getAccessKeyInfo(s *Server, c *call, in *stsapi.GetAccessKeyInfoRequest) (*stsapi.GetAccessKeyInfoResponse, error) {
	account, ok := sts.AccountOf(*in.AccessKeyId)
	if !ok || account != s.Account {
		switch _, err := s.IAM.AccessKey(c.ctx, *in.AccessKeyId); {
		case errors.Is(err, iam.ErrNoAccessKey):
			return nil, &iam.Error{Code: sts.CodeInvalidClient, Status: 403,
				Message: "The access key id " + printable(*in.AccessKeyId) + " is not of this account."}
		case err != nil:
			return nil, err
		}
	}
	return &stsapi.GetAccessKeyInfoResponse{Account: &s.Account}, nil
}

func decodeAuthorizationMessage(s *Server, c *call, in *stsapi.DecodeAuthorizationMessageRequest) (*stsapi.DecodeAuthorizationMessageResponse, error) {
	text, err := s.STS.DecodeDenial(c.ctx, *in.EncodedMessage)
	if errors.Is(err, kms.ErrSealed) {
		return nil, sts.InvalidMessage()
	}
	return &stsapi.DecodeAuthorizationMessageResponse{DecodedMessage: &text}, err
}

// sessionLimits reads the session policies of a request and refuses what is none.
func sessionLimits(document *string, arns []stsapi.PolicyDescriptorType) (sts.Limits, error) {
	var l sts.Limits
	if document != nil {
		if _, err := policy.Parse([]byte(*document), policy.Session); err != nil {
			return l, malformedSessionPolicy(err)
		}
		l.Policies = []string{*document}
	}
	for _, a := range arns {
		l.ARNs = append(l.ARNs, api.Value(a.Arn))
	}
	return l, nil
}

// managedExist refuses session policies that are not there. It is asked after
// the gate, so that a stranger does not learn what there is.
func (s *Server) managedExist(c *call, l sts.Limits) error {
	for _, arn := range l.ARNs {
		_, err := s.IAM.Policy(c.ctx, nil, arn)
		if refusal := (*iam.Error)(nil); errors.As(err, &refusal) {
			return &iam.Error{Code: iam.CodeMalformed, Status: 400,
				Message: "Policy " + printable(arn) + " does not exist or is not attachable."}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func malformedSessionPolicy(err error) error {
	message := err.Error()
	if refusal := (*policy.Error)(nil); errors.As(err, &refusal) {
		message = refusal.Reason
	}
	return &iam.Error{Code: iam.CodeMalformed, Status: 400, Message: message}
}

// sessionTags reads the session tags of a request.
func sessionTags(in []stsapi.Tag) []sts.Tag {
	tags := make([]sts.Tag, len(in))
	for i, t := range in {
		tags[i] = sts.Tag{Key: api.Value(t.Key), Value: api.Value(t.Value)}
	}
	return tags
}

// sessionTagFacts are the condition keys of session tags.
func sessionTagFacts(tags []sts.Tag, transitive []string) []authz.Fact {
	var facts []authz.Fact
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.Key
		facts = append(facts, authz.Fact{Key: "aws:RequestTag/" + t.Key, Values: []string{t.Value}})
	}
	if len(keys) > 0 {
		facts = append(facts, authz.Fact{Key: "aws:TagKeys", Values: keys, List: true})
	}
	if len(transitive) > 0 {
		facts = append(facts, authz.Fact{Key: "sts:TransitiveTagKeys", Values: transitive, List: true})
	}
	return facts
}

// seconds reads a duration; absent is 0.
func seconds(n *int32) time.Duration { return time.Duration(api.Value(n)) * time.Second }

// wireCredentials are credentials as the answers of STS carry them.
func wireCredentials(c *sts.Credentials) *stsapi.Credentials {
	secret, token := api.SecretString(c.Secret), api.SecretString(c.Token)
	return &stsapi.Credentials{
		AccessKeyId: &c.AccessKeyID, SecretAccessKey: &secret, SessionToken: &token, Expiration: api.At(c.Expires),
	}
}

// packedSize is left out when nothing was packed, as AWS does.
func packedSize(c *sts.Credentials, limits sts.Limits, tags int) *int32 {
	if len(limits.Policies) == 0 && len(limits.ARNs) == 0 && tags == 0 {
		return nil
	}
	return new(int32(c.Packed))
}
