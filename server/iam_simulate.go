package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
)

// iamSimulateRoutes is the part of the table about simulation: what would the
// gate say? It is the gate itself that answers.
func iamSimulateRoutes() []*route {
	return []*route{
		query(iamOp("SimulatePrincipalPolicy"), levelRead,
			onReported("iam:SimulatePrincipalPolicy", simulatedARN), simulatePrincipal).large(),
		query(iamOp("SimulateCustomPolicy"), levelRead,
			onNothing[iamapi.SimulateCustomPolicyRequest]("iam:SimulateCustomPolicy"), simulateCustom).large(),
	}
}

func simulatedARN(in *iamapi.SimulatePrincipalPolicyRequest) *string { return in.PolicySourceArn }

// simulatePrincipal asks for a user, group or role, with the guardrails and with
// the policies that keys and roles really have.
func simulatePrincipal(s *Server, c *call, in *iamapi.SimulatePrincipalPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	sim := &authz.Simulation{}
	var err error
	if sim.Own, sim.Caller, err = s.simulated(c, *in.PolicySourceArn); err != nil {
		return nil, err
	}
	return s.simulate(c, sim, in)
}

// simulateCustom asks for the policies in the request and nothing else, so that
// it discloses nobody's.
func simulateCustom(s *Server, c *call, in *iamapi.SimulateCustomPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	sim := &authz.Simulation{Alone: true}
	sim.Caller = iam.Principal{Type: iam.TypeUser, Account: s.Account}
	return s.simulate(c, sim, &iamapi.SimulatePrincipalPolicyRequest{
		PolicyInputList: in.PolicyInputList, PermissionsBoundaryPolicyInputList: in.PermissionsBoundaryPolicyInputList,
		ActionNames: in.ActionNames, ResourceArns: in.ResourceArns, ResourcePolicy: in.ResourcePolicy,
		ResourceOwner: in.ResourceOwner, CallerArn: in.CallerArn, ContextEntries: in.ContextEntries,
		ResourceHandlingOption: in.ResourceHandlingOption, MaxItems: in.MaxItems, Marker: in.Marker,
	})
}

// defaultSimulated is AWS's page.
const defaultSimulated = 100

// simulate answers one page of all actions on all resources.
func (s *Server) simulate(c *call, sim *authz.Simulation, in *iamapi.SimulatePrincipalPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	if err := s.readSimulation(c, sim, in); err != nil {
		return nil, err
	}
	resources := in.ResourceArns
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	from, err := simulationPlace(in)
	if err != nil {
		return nil, err
	}
	limit := int(api.Value(in.MaxItems))
	if limit == 0 {
		limit = defaultSimulated
	}
	total := len(in.ActionNames) * len(resources)
	out := &iamapi.SimulatePolicyResponse{EvaluationResults: []iamapi.EvaluationResult{}, IsTruncated: new(false)}
	for i := from; i < min(total, from+limit); i++ {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		r, err := s.simulateOne(c, sim, in.ActionNames[i/len(resources)], resources[i%len(resources)])
		if err != nil {
			return nil, err
		}
		out.EvaluationResults = append(out.EvaluationResults, *r)
	}
	if from+limit < total {
		out.IsTruncated, out.Marker = new(true), new(simulationMarker(in, from+limit))
	}
	return out, nil
}

// simulationTag tells the marker of one question from those of others.
func simulationTag(in *iamapi.SimulatePrincipalPolicyRequest) []byte {
	question := *in
	question.Marker, question.MaxItems = nil, nil
	text, err := json.Marshal(question)
	if err != nil {
		panic("server: a request cannot be printed: " + err.Error()) // texts and lists of them
	}
	sum := sha256.Sum256(text)
	return sum[:8]
}

// simulationMarker stands for the place where the next page begins.
func simulationMarker(in *iamapi.SimulatePrincipalPolicyRequest, place int) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(simulationTag(in), uint32(place)))
}

// simulationPlace reads a marker.
func simulationPlace(in *iamapi.SimulatePrincipalPolicyRequest) (int, error) {
	if in.Marker == nil {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*in.Marker)
	if err != nil || len(b) != 12 || string(b[:8]) != string(simulationTag(in)) {
		return 0, &iam.Error{Code: iam.CodeValidation, Status: http.StatusBadRequest, Message: "Invalid Marker."}
	}
	return int(binary.BigEndian.Uint32(b[8:])), nil
}
