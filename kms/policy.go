package kms

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// PolicyName is the only name a key policy has.
const PolicyName = "default"

// maxPolicy is AWS's limit for a key policy, in bytes.
const maxPolicy = 32768

// DefaultPolicy is the key policy of a key that was created without one: it
// gives the account, and with it the root user, every right on the key.
func (s *Service) DefaultPolicy() string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + s.account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// PutKeyPolicy replaces the key policy.
func (s *Service) PutKeyPolicy(tx Tx, k *Key, policy string) error {
	policy, err := s.acceptPolicy(policy)
	if err != nil {
		return err
	}
	_, err = changeKey(tx, k, func(k *Key) { k.Policy = policy })
	return err
}

// acceptPolicy takes the default policy in any formatting. Policies are not
// evaluated yet, and one that is stored but not enforced would be a lie.
func (s *Service) acceptPolicy(text string) (string, error) {
	if text == "" {
		return s.DefaultPolicy(), nil
	}
	if len(text) > maxPolicy {
		return "", refuse(CodeLimitExceeded, "Policy is longer than %d bytes.", maxPolicy)
	}
	var doc struct {
		Version, Id string
		Statement   jsontext.Value
	}
	if err := strictJSON(text, &doc); err != nil {
		return "", refuse(CodeMalformedPolicy, "Policy is not a valid policy document: %v", err)
	}
	var statements []keyStatement
	one := strings.HasPrefix(strings.TrimSpace(string(doc.Statement)), "{")
	list := string(doc.Statement)
	if one {
		list = "[" + list + "]"
	}
	if err := strictJSON(list, &statements); err == nil && len(statements) == 1 && statements[0].isDefault(s.account) {
		return text, nil
	}
	return "", refuse(CodeUnsupportedOperation, "Custom key policies are not evaluated yet, so keyd does not store one. "+
		"Leave the policy out, or send the default one: Allow kms:* on * to arn:aws:iam::%s:root.", s.account)
}

type keyStatement struct {
	Sid, Effect, Action, Resource string
	Principal                     struct{ AWS string }
}

func (st keyStatement) isDefault(account string) bool {
	root := "arn:aws:iam::" + account + ":root"
	return st.Effect == "Allow" && st.Action == "kms:*" && st.Resource == "*" &&
		(st.Principal.AWS == root || st.Principal.AWS == account)
}

// strictJSON takes exact member names once each and nothing unknown.
func strictJSON(text string, v any) error {
	return json.Unmarshal([]byte(text), v, json.RejectUnknownMembers(true))
}
