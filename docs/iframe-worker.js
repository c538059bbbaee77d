// Search in pages that are opened from the disk, where browsers start no worker: a hidden frame takes its place.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inner = frame.contentWindow
      addEventListener("message", ({ source, data }) => {
        if (source !== this.inner) return
        const message = new MessageEvent("message", { data })
        this.dispatchEvent(message)
        this.onmessage?.(message)
      })
      this.inner.document.open()
      this.inner.document.write(`<body><script>
        postMessage = data => parent.postMessage(data, "*")
        importScripts = (...urls) => urls.reduce((before, src) => before.then(() => new Promise(loaded => {
          document.body.append(Object.assign(document.createElement("script"), { src, onload: loaded }))
        })), Promise.resolve())
      <\/script><script src="${url}"><\/script></body>`)
      this.inner.document.close()
      this.ready = new Promise(loaded => { this.inner.onload = loaded })
    }
    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.inner.frameElement.remove()
    }
  }
}
