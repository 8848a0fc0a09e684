{{- define "elt.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that select pods: they never change, because a Deployment's selector cannot. Call with (list . "api"). */}}
{{- define "elt.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "elt.labels" -}}
{{ include "elt.selector" . }}
{{- $root := index . 0 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "elt.image" -}}
{{- $repository := required "image.repository is required: the registry and name that the image of deploy/Dockerfile was pushed to" .Values.image.repository -}}
{{- if .Values.image.digest -}}{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}{{- end -}}
{{- end -}}

{{- define "elt.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}{{ default (include "elt.fullname" .) .Values.serviceAccount.name }}
{{- else -}}{{ default "default" .Values.serviceAccount.name }}{{- end -}}
{{- end -}}

{{- define "elt.secretName" -}}
{{- default (printf "%s-secrets" (include "elt.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{/* The secrets that a pod gets, as files; no more than it needs. Call with (list . "apiUrl" "targetUrl" …). */}}
{{- define "elt.secretVolume" -}}
{{- $root := index . 0 -}}
- name: secrets
  secret:
    secretName: {{ include "elt.secretName" $root }}
    defaultMode: 0440
    items:
    {{- range $part := rest . }}
      - key: {{ index $root.Values.secrets.keys $part }}
        path: {{ snakecase $part }}
    {{- end }}
{{- end -}}

{{/* Settings as environment variables, sorted; later maps win. Call with a list of maps. */}}
{{- define "elt.env" -}}
{{- $all := dict -}}
{{- range . }}{{- $all = mergeOverwrite $all (deepCopy .) -}}{{- end -}}
{{- range $name, $value := $all }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{- define "elt.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "elt.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Where pods of one part should run: apart from each other, where the cluster has room for that. Call with (list . "api"). */}}
{{- define "elt.spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "elt.selector" $ | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* Restarts the pods when the chart's own Secret changes. One of yours is outside its sight. */}}
{{- define "elt.secretChecksum" -}}
{{- if not .Values.secrets.existingSecret -}}
checksum/secrets: {{ toJson .Values.secrets.values | sha256sum }}
{{- end -}}
{{- end -}}

{{/* What a pod may reach when the values do not say it. */}}
{{- define "elt.egress" -}}
# Names are looked up at a link-local address where a cluster caches them on each node.
- ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
- to:
    # Sources and targets may be anywhere, except the link-local address where clouds hand out credentials.
    - ipBlock: { cidr: 0.0.0.0/0, except: [169.254.0.0/16] }
    - ipBlock: { cidr: "::/0", except: ["fe80::/10", "fd00:ec2::254/128"] }
{{- end -}}

{{- define "elt.outputClaim" -}}
{{- default (printf "%s-output" (include "elt.fullname" .)) .Values.output.existingClaim -}}
{{- end -}}
