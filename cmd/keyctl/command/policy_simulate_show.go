package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// verdicts are IAM's decisions for people.
var verdicts = map[types.PolicyEvaluationDecisionType]string{
	types.PolicyEvaluationDecisionTypeAllowed:      "allowed",
	types.PolicyEvaluationDecisionTypeExplicitDeny: "denied, by a statement that denies it",
	types.PolicyEvaluationDecisionTypeImplicitDeny: "denied, because nothing allows it",
}

func (c *cli) showSimulation(doc simulationDoc, sources *sources) error {
	var b strings.Builder
	for i, r := range doc.EvaluationResults {
		if i > 0 {
			b.WriteByte('\n')
		}
		verdict, known := verdicts[r.EvalDecision]
		if !known {
			verdict = string(r.EvalDecision)
		}
		fmt.Fprintf(&b, "%s on %s: %s\n", r.EvalActionName, r.EvalResourceName, verdict)
		if r.DeniedByBoundary {
			b.WriteString("  the permissions boundary does not allow it\n")
		}
		if r.DeniedByOrganization {
			b.WriteString("  the account's guardrails do not allow it\n")
		}
		for _, m := range r.MatchedStatements {
			b.WriteString(sources.quote(r, m))
		}
		if len(r.MissingContextValues) > 0 {
			fmt.Fprintf(&b, "  not known, see --context: %s\n", strings.Join(r.MissingContextValues, " "))
		}
	}
	return c.put("", raw, []byte(b.String()))
}

// sources finds the documents that simulated statements stand in, each once.
type sources struct {
	ctx    context.Context
	cl     *client
	of     []holder
	drafts []string
	texts  map[string]string
}

// newSources looks in the policies of a principal and, if it is a user, of the
// user's groups.
func newSources(ctx context.Context, cl *client, principal string, drafts []string) *sources {
	s := &sources{ctx: ctx, cl: cl, drafts: drafts, texts: map[string]string{}}
	name := principal[strings.LastIndexByte(principal, '/')+1:]
	switch {
	case strings.Contains(principal, ":role/"):
		s.of = []holder{{role: name}}
	case strings.Contains(principal, ":group/"):
		s.of = []holder{{group: name}}
	default:
		s.of = []holder{{user: name}}
		// Who may not list the groups sees statements without their text.
		groups, _ := cl.groupsOf(ctx, name)
		for _, g := range groups {
			s.of = append(s.of, holder{group: g})
		}
	}
	return s
}

// quote shows a statement as it stands in its document, with line numbers.
func (s *sources) quote(r resultDoc, m matchDoc) string {
	var b strings.Builder
	b.WriteString("  ")
	if m.SourcePolicyType != types.PolicySourceTypeNone {
		b.WriteString(string(m.SourcePolicyType) + " ")
	}
	b.WriteString("policy " + m.SourcePolicyID)
	if m.StartPosition.Line == 0 {
		b.WriteByte('\n')
		return b.String()
	}
	fmt.Fprintf(&b, ", line %d, column %d:\n", m.StartPosition.Line, m.StartPosition.Column)
	text, err := s.text(r, m)
	if err != nil {
		return b.String()
	}
	lines := strings.Split(text, "\n")
	end := min(max(m.StartPosition.Line, m.EndPosition.Line), int32(len(lines)))
	for n := max(m.StartPosition.Line, 1); n <= end; n++ {
		fmt.Fprintf(&b, "  %4d | %s\n", n, strings.TrimRight(lines[n-1], "\r"))
	}
	return b.String()
}

// text returns the document that a statement stands in. Which one it is IAM
// says by a managed policy's name, user_NAME_POLICY for an inline one,
// PolicyInputList.1 for the first draft; a resource has one policy.
func (s *sources) text(r resultDoc, m matchDoc) (string, error) {
	id := m.SourcePolicyID
	find := s.find
	if m.SourcePolicyType == types.PolicySourceTypeResource {
		id, find = r.EvalResourceName, s.ofResource
	}
	if text, known := s.texts[id]; known {
		return text, nil
	}
	text, err := find(id)
	if err == nil {
		s.texts[id] = text
	}
	return text, err
}

// ofResource returns the key policy of a key, or the trust policy of a role.
func (s *sources) ofResource(arn string) (string, error) {
	if _, role, ok := strings.Cut(arn, ":role/"); ok {
		role = role[strings.LastIndexByte(role, '/')+1:]
		out, err := s.cl.iam.GetRole(s.ctx, &iam.GetRoleInput{RoleName: &role})
		if err != nil {
			return "", err
		}
		return document(out.Role.AssumeRolePolicyDocument)
	}
	out, err := s.cl.kms.GetKeyPolicy(s.ctx, &kms.GetKeyPolicyInput{KeyId: &arn})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Policy), nil
}

func (s *sources) find(id string) (string, error) {
	for i, draft := range s.drafts {
		if id == fmt.Sprintf("PolicyInputList.%d", i+1) {
			return draft, nil
		}
	}
	for _, h := range s.of {
		attached, err := s.cl.attached(s.ctx, h)
		if err != nil {
			return "", err
		}
		for _, p := range attached {
			if id == aws.ToString(p.PolicyName) {
				return s.managed(aws.ToString(p.PolicyArn))
			}
		}
		if name, ok := strings.CutPrefix(id, strings.ReplaceAll(h.String(), " ", "_")+"_"); ok {
			return s.cl.inlineText(s.ctx, h, name)
		}
	}
	// What is left is a boundary.
	arn, err := s.cl.policyARN(s.ctx, id)
	if err != nil {
		return "", err
	}
	return s.managed(arn)
}

// managed returns the document in force of a managed policy.
func (s *sources) managed(arn string) (string, error) {
	out, err := s.cl.iam.GetPolicy(s.ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return "", err
	}
	return s.cl.versionText(s.ctx, arn, aws.ToString(out.Policy.DefaultVersionId))
}
