#: title = "Sending frames"
#: stresses = "descriptors or rings filled by the driver, doorbells, buffers taken back"
#: outcome = "result 0 counts the frames that the station received, 1 their bytes, 2 to 5 hold its digest of them"
#: needs = ["devices"]
#: slots = ["frames", "bytes", "digest 0", "digest 1", "digest 2", "digest 3"]
#: small = { frames = 128, bytes = 1500, batch = 8, moderation = 100 }
#: standard = { frames = 1024, bytes = 1500, batch = 8, moderation = 100 }
#: large = { frames = 8192, bytes = 1500, batch = 8, moderation = 100 }
#: variants = { "64" = { bytes = 64 }, "256" = { bytes = 256 }, "1024" = { bytes = 1024 }, "unbatched" = { batch = 1 } }

# The device is told of new frames every `batch` frames.

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    call initialise_devices
    jnz .failed
    TRANSMIT_FRAMES
    ROI_END
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop r12
    pop rbp
    pop rbx
    ret
