package traffic

// Flow is one row of CIC-IDS2017: a network flow as CICFlowMeter saw it. It is
// no request. Values stand in the order of FlowColumns; NaN means missing or
// not finite in the file.
type Flow struct {
	Values [NumFlowColumns]float64
	Label  Label  // mapped to apiml's types
	Class  string // the data set's own label in canonical spelling, "Web Attack XSS"
	Time   int64  // microseconds UTC, NoTime in the MachineLearningCSV form
	File   string
	Line   int64
}

// NumFlowColumns is the number of distinct feature columns of CIC-IDS2017.
const NumFlowColumns = 77

// FlowColumns returns the names of Flow.Values in order: the header of
// CIC-IDS2017's MachineLearningCSV form, trimmed, without the second
// "Fwd Header Length" (a copy of the first) and without the label.
func FlowColumns() [NumFlowColumns]string {
	return [NumFlowColumns]string{
		"Destination Port", "Flow Duration", "Total Fwd Packets", "Total Backward Packets",
		"Total Length of Fwd Packets", "Total Length of Bwd Packets", "Fwd Packet Length Max",
		"Fwd Packet Length Min", "Fwd Packet Length Mean", "Fwd Packet Length Std",
		"Bwd Packet Length Max", "Bwd Packet Length Min", "Bwd Packet Length Mean",
		"Bwd Packet Length Std", "Flow Bytes/s", "Flow Packets/s", "Flow IAT Mean", "Flow IAT Std",
		"Flow IAT Max", "Flow IAT Min", "Fwd IAT Total", "Fwd IAT Mean", "Fwd IAT Std", "Fwd IAT Max",
		"Fwd IAT Min", "Bwd IAT Total", "Bwd IAT Mean", "Bwd IAT Std", "Bwd IAT Max", "Bwd IAT Min",
		"Fwd PSH Flags", "Bwd PSH Flags", "Fwd URG Flags", "Bwd URG Flags", "Fwd Header Length",
		"Bwd Header Length", "Fwd Packets/s", "Bwd Packets/s", "Min Packet Length",
		"Max Packet Length", "Packet Length Mean", "Packet Length Std", "Packet Length Variance",
		"FIN Flag Count", "SYN Flag Count", "RST Flag Count", "PSH Flag Count", "ACK Flag Count",
		"URG Flag Count", "CWE Flag Count", "ECE Flag Count", "Down/Up Ratio", "Average Packet Size",
		"Avg Fwd Segment Size", "Avg Bwd Segment Size", "Fwd Avg Bytes/Bulk", "Fwd Avg Packets/Bulk",
		"Fwd Avg Bulk Rate", "Bwd Avg Bytes/Bulk", "Bwd Avg Packets/Bulk", "Bwd Avg Bulk Rate",
		"Subflow Fwd Packets", "Subflow Fwd Bytes", "Subflow Bwd Packets", "Subflow Bwd Bytes",
		"Init_Win_bytes_forward", "Init_Win_bytes_backward", "act_data_pkt_fwd",
		"min_seg_size_forward", "Active Mean", "Active Std", "Active Max", "Active Min", "Idle Mean",
		"Idle Std", "Idle Max", "Idle Min",
	}
}
