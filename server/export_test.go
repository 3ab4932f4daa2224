package server

// Served names the operations of the routes table.
func Served() []string {
	var names []string
	for _, r := range routes() {
		names = append(names, r.op.Service.ID+"."+r.op.Name)
	}
	return names
}
