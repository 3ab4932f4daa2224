package policy

// DefaultKeyPolicy is the policy of a key that was made without one: it lets the
// account's root user do everything and leaves the rest to identity policies
// (rule 9.2).
func DefaultKeyPolicy(account string) []byte {
	return []byte(`{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "` + rootARN(account) + `"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`)
}

// CheckLockout refuses a key policy that would not let its author change it
// again (rule 9.1). The request is the author's for kms:PutKeyPolicy on the key,
// with the context of the present call, and in.Resource is the new policy. It is
// not asked if the call bypasses the check.
func CheckLockout(r *Request, in *Policies) error {
	if r.folded == "kms:putkeypolicy" && Decide(r, in).Verdict == Allowed {
		return nil
	}
	return &Error{Kind: Key, Reason: lockoutText}
}

// Delegates reports whether the policy allows anything to the account as a
// whole, so that identity policies count (rule 9.3).
func (p *Policy) Delegates(account string) bool {
	for _, s := range p.Statements {
		for _, e := range s.Principals.Entries {
			if a, ok := e.account(); ok && a == account && s.Effect == Allow && !s.Principals.Not && !s.idle {
				return true
			}
		}
	}
	return false
}
