package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

type policySimulateOptions struct {
	principal string
	actions   []string
	resources []string
	context   contextFlag
	policies  []string
}

func newPolicySimulate(c *cli) *cobra.Command {
	o := &policySimulateOptions{}
	cmd := &cobra.Command{
		Use:   "simulate --principal ARN --action ACTION... [--resource ARN...]",
		Short: "Whether somebody may do something, and which statement says so",
		Long: `Ask keyd whether a user, group or role may do something, without doing it. The
verdict comes with each statement that decided, shown in its document. Nothing
is known of the request but what --context says: a condition on a key that is
missing there does not hold, and the missing keys are listed.

The exit code is 0 whatever the verdict is; -o json has it for programs.`,
		Example: `  keyctl policy simulate --principal arn:aws:iam::111122223333:user/alice \
    --action kms:Decrypt --resource arn:aws:kms:local-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
  keyctl policy simulate --principal user/alice --action iam:CreateUser --context aws:SourceIp=10.0.0.7
  keyctl policy simulate --principal user/alice --action kms:ListKeys --policy draft.json`,
		Args: cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error { return c.policySimulate(ctx, *o) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.principal, "principal", "", "`ARN` of a user, group or role; user/NAME is one of your account")
	f.StringSliceVar(&o.actions, "action", nil, "`ACTION` such as kms:Decrypt; may be repeated")
	f.StringArrayVar(&o.resources, "resource", nil, "`ARN` that it is done to (default *); may be repeated")
	f.Var(&o.context, "context", "a condition key and its value; repeat a name for a list")
	f.StringArrayVar(&o.policies, "policy", nil, "`FILE` with a policy to add to those of the principal; may be repeated")
	must(cmd.MarkFlagRequired("principal"))
	must(cmd.MarkFlagRequired("action"))
	return cmd
}

// contextFlag is condition keys on the command line, in order.
type contextFlag []types.ContextEntry

func (f *contextFlag) String() string { return "" }
func (f *contextFlag) Type() string   { return "NAME=VALUE" }

// Set adds one value. A name given again makes a list.
func (f *contextFlag) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("must be NAME=VALUE")
	}
	i := slices.IndexFunc(*f, func(e types.ContextEntry) bool { return strings.EqualFold(*e.ContextKeyName, name) })
	if i < 0 {
		*f = append(*f, types.ContextEntry{ContextKeyName: &name, ContextKeyType: contextType(name), ContextKeyValues: []string{value}})
		return nil
	}
	e := &(*f)[i]
	e.ContextKeyValues = append(e.ContextKeyValues, value)
	if !strings.HasSuffix(string(e.ContextKeyType), "List") {
		e.ContextKeyType += "List"
	}
	return nil
}

// contextType is the type of a key that IAM wants to be told.
func contextType(name string) types.ContextKeyTypeEnum {
	switch strings.ToLower(name) {
	case "aws:sourceip", "aws:vpcsourceip":
		return types.ContextKeyTypeEnumIp
	case "aws:currenttime", "aws:tokenissuetime":
		return types.ContextKeyTypeEnumDate
	case "aws:epochtime", "aws:multifactorauthage", "kms:scheduledeletionpendingwindowindays", "kms:schedulekeydeletionpendingwindowindays", "sts:durationseconds":
		return types.ContextKeyTypeEnumNumeric
	case "aws:securetransport", "aws:multifactorauthpresent", "keyd:mfadeviceattested", "aws:viaawsservice", "aws:principalisawsservice":
		return types.ContextKeyTypeEnumBoolean
	}
	return types.ContextKeyTypeEnumString
}

func (c *cli) policySimulate(ctx context.Context, o policySimulateOptions) error {
	var drafts []string
	for _, file := range o.policies {
		text, err := c.readDocument(file, policy.Identity)
		if err != nil {
			return err
		}
		drafts = append(drafts, text)
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if o.principal, err = cl.principalARN(ctx, o.principal); err != nil {
		return err
	}
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &o.principal, ActionNames: o.actions,
		ResourceArns: o.resources, ContextEntries: o.context, PolicyInputList: drafts}
	results, err := all(ctx, iam.NewSimulatePrincipalPolicyPaginator(cl.iam, in),
		func(o *iam.SimulatePrincipalPolicyOutput) []types.EvaluationResult { return o.EvaluationResults })
	if err != nil {
		return err
	}
	doc := simulationDoc{o.principal, []resultDoc{}}
	for _, r := range results {
		doc.EvaluationResults = append(doc.EvaluationResults, newResultDocs(r)...)
	}
	if c.format == outputJSON {
		return c.json(doc)
	}
	return c.showSimulation(doc, newSources(ctx, cl, o.principal, drafts))
}

// principalARN completes user/alice with the caller's account. A session is
// taken for its role, which has the policies.
func (cl *client) principalARN(ctx context.Context, name string) (string, error) {
	if strings.HasPrefix(name, "arn:") {
		if prefix, session, ok := strings.Cut(name, ":assumed-role/"); ok {
			role, _, _ := strings.Cut(session, "/")
			return strings.Replace(prefix, ":sts:", ":iam:", 1) + ":role/" + role, nil
		}
		return name, nil
	}
	kind, _, ok := strings.Cut(name, "/")
	if !ok || !slices.Contains([]string{"user", "group", "role"}, kind) {
		return "", usagef("", "--principal %s: must be an ARN, user/NAME, group/NAME or role/NAME", name)
	}
	account, err := cl.account(ctx)
	return "arn:aws:iam::" + account + ":" + name, err
}

// simulationDoc is the JSON of policy simulate, as IAM answers it.
type simulationDoc struct {
	PolicySourceARN   string `json:"PolicySourceArn"`
	EvaluationResults []resultDoc
}

type resultDoc struct {
	EvalActionName       string
	EvalResourceName     string
	EvalDecision         types.PolicyEvaluationDecisionType
	MatchedStatements    []matchDoc
	MissingContextValues []string
	DeniedByBoundary     bool
	DeniedByOrganization bool
}

type matchDoc struct {
	SourcePolicyID   string `json:"SourcePolicyId"`
	SourcePolicyType types.PolicySourceType
	StartPosition    positionDoc
	EndPosition      positionDoc
}

type positionDoc struct{ Line, Column int32 }

// newResultDocs makes one result for each resource.
func newResultDocs(r types.EvaluationResult) []resultDoc {
	docs := []resultDoc{}
	for _, s := range r.ResourceSpecificResults {
		docs = append(docs, resultDoc{aws.ToString(r.EvalActionName), aws.ToString(s.EvalResourceName), s.EvalResourceDecision,
			matchDocs(s.MatchedStatements), notNull(s.MissingContextValues),
			bounded(s.PermissionsBoundaryDecisionDetail), guarded(r)})
	}
	if len(docs) > 0 {
		return docs
	}
	return []resultDoc{{aws.ToString(r.EvalActionName), aws.ToString(r.EvalResourceName), r.EvalDecision,
		matchDocs(r.MatchedStatements), notNull(r.MissingContextValues), bounded(r.PermissionsBoundaryDecisionDetail), guarded(r)}}
}

func bounded(d *types.PermissionsBoundaryDecisionDetail) bool {
	return d != nil && !d.AllowedByPermissionsBoundary
}

func guarded(r types.EvaluationResult) bool {
	return r.OrganizationsDecisionDetail != nil && !r.OrganizationsDecisionDetail.AllowedByOrganizations
}

func matchDocs(statements []types.Statement) []matchDoc {
	docs := []matchDoc{}
	for _, s := range statements {
		docs = append(docs, matchDoc{aws.ToString(s.SourcePolicyId), s.SourcePolicyType, newPositionDoc(s.StartPosition), newPositionDoc(s.EndPosition)})
	}
	return docs
}

func newPositionDoc(p *types.Position) positionDoc {
	if p == nil {
		return positionDoc{}
	}
	return positionDoc{p.Line, p.Column}
}
