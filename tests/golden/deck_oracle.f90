! SPDX-License-Identifier: Apache-2.0
! Reads a deck as Fortran reads it and prints what it found: "group.status=N" (0 = the group was read) and one line
! "group.key=value" or "group.key(i)=value" for every value that the deck sets. What it does not set keeps a mark
! (huge numbers, a string of one '~', and for logicals a second reading that starts from the opposite value).
program deck_oracle
    use, intrinsic :: iso_fortran_env, only: int64, real64
    implicit none
    integer, parameter :: text = 511
    integer(int64), parameter :: no_int = -huge(1_int64)
    real(real64), parameter :: no_real = -huge(1.0_real64)
    character(len=4096) :: path
    integer :: unit

    call get_command_argument(1, path)
    open (newunit=unit, file=trim(path), status='old', action='read')
    call read_run
    call read_dataset
    call read_forward
    call read_velocity
    call read_lbm
    call read_store
    call read_network
    call read_unet
    call read_train
    call read_sample
    call read_evaluate
    call read_limits

contains

    subroutine put_status(name, status)
        character(len=*), intent(in) :: name
        integer, intent(in) :: status
        write (*, '(a,a,i0)') name, '.status=', status
    end subroutine

    subroutine put_int(name, value)
        character(len=*), intent(in) :: name
        integer(int64), intent(in) :: value
        if (value /= no_int) write (*, '(a,a,i0)') name, '=', value
    end subroutine

    subroutine put_real(name, value)
        character(len=*), intent(in) :: name
        real(real64), intent(in) :: value
        if (value > no_real) write (*, '(a,a,es25.17e3)') name, '=', value
    end subroutine

    subroutine put_text(name, value)
        character(len=*), intent(in) :: name, value
        if (value /= '~') write (*, '(a,a,a)') name, '=', trim(value)
    end subroutine

    ! Two readings, from .false. and from .true., agree where the deck sets the value.
    subroutine put_bool(name, from_false, from_true)
        character(len=*), intent(in) :: name
        logical, intent(in) :: from_false, from_true
        if (from_false .eqv. from_true) write (*, '(a,a,l1)') name, '=', from_false
    end subroutine

    function element(name, i) result(full)
        character(len=*), intent(in) :: name
        integer, intent(in) :: i
        character(len=len(name) + 3) :: full
        write (full, '(a,a,i0,a)') name, '(', i, ')'
    end function

    subroutine put_ints(name, values)
        character(len=*), intent(in) :: name
        integer(int64), intent(in) :: values(:)
        integer :: i
        do i = 1, size(values)
            call put_int(element(name, i), values(i))
        end do
    end subroutine

    subroutine put_reals(name, values)
        character(len=*), intent(in) :: name
        real(real64), intent(in) :: values(:)
        integer :: i
        do i = 1, size(values)
            call put_real(element(name, i), values(i))
        end do
    end subroutine

    subroutine put_texts(name, values)
        character(len=*), intent(in) :: name, values(:)
        integer :: i
        do i = 1, size(values)
            call put_text(element(name, i), values(i))
        end do
    end subroutine

    subroutine read_run
        character(len=text) :: name, out, device, precision, stages(8)
        integer(int64) :: seed, threads, plan_ranks
        real(real64) :: walltime
        logical :: share_gpu, first
        integer :: status
        namelist /run/ name, out, seed, device, precision, threads, share_gpu, plan_ranks, stages, walltime
        name = '~'; out = '~'; device = '~'; precision = '~'; stages = '~'
        seed = no_int; threads = no_int; plan_ranks = no_int; walltime = no_real
        share_gpu = .false.
        rewind (unit)
        read (unit, nml=run, iostat=status)
        first = share_gpu
        share_gpu = .true.
        rewind (unit)
        read (unit, nml=run, iostat=status)
        call put_status('run', status)
        call put_text('run.name', name)
        call put_text('run.out', out)
        call put_int('run.seed', seed)
        call put_text('run.device', device)
        call put_text('run.precision', precision)
        call put_int('run.threads', threads)
        call put_bool('run.share_gpu', first, share_gpu)
        call put_int('run.plan_ranks', plan_ranks)
        call put_texts('run.stages', stages)
        call put_real('run.walltime', walltime)
    end subroutine

    subroutine read_dataset
        character(len=text) :: format, path, test_path, labels, test_labels, on_damaged
        real(real64) :: test_fraction
        integer(int64) :: resolution, channels, limit, test_limit
        logical :: flip, first
        integer :: status
        namelist /dataset/ format, path, test_path, labels, test_labels, test_fraction, resolution, channels, limit, &
            test_limit, flip, on_damaged
        format = '~'; path = '~'; test_path = '~'; labels = '~'; test_labels = '~'; on_damaged = '~'
        test_fraction = no_real
        resolution = no_int; channels = no_int; limit = no_int; test_limit = no_int
        flip = .false.
        rewind (unit)
        read (unit, nml=dataset, iostat=status)
        first = flip
        flip = .true.
        rewind (unit)
        read (unit, nml=dataset, iostat=status)
        call put_status('dataset', status)
        call put_text('dataset.format', format)
        call put_text('dataset.path', path)
        call put_text('dataset.test_path', test_path)
        call put_text('dataset.labels', labels)
        call put_text('dataset.test_labels', test_labels)
        call put_real('dataset.test_fraction', test_fraction)
        call put_int('dataset.resolution', resolution)
        call put_int('dataset.channels', channels)
        call put_int('dataset.limit', limit)
        call put_int('dataset.test_limit', test_limit)
        call put_bool('dataset.flip', first, flip)
        call put_text('dataset.on_damaged', on_damaged)
    end subroutine

    subroutine read_forward
        character(len=text) :: process, mode
        integer(int64) :: levels
        real(real64) :: sigma_min, sigma_max, fo_min, fo_max, pe
        integer :: status
        namelist /forward/ process, mode, levels, sigma_min, sigma_max, fo_min, fo_max, pe
        process = '~'; mode = '~'; levels = no_int
        sigma_min = no_real; sigma_max = no_real; fo_min = no_real; fo_max = no_real; pe = no_real
        rewind (unit)
        read (unit, nml=forward, iostat=status)
        call put_status('forward', status)
        call put_text('forward.process', process)
        call put_text('forward.mode', mode)
        call put_int('forward.levels', levels)
        call put_real('forward.sigma_min', sigma_min)
        call put_real('forward.sigma_max', sigma_max)
        call put_real('forward.fo_min', fo_min)
        call put_real('forward.fo_max', fo_max)
        call put_real('forward.pe', pe)
    end subroutine

    subroutine read_velocity
        character(len=text) :: kind, path
        real(real64) :: slope, drift, cap
        integer(int64) :: n_min, n_max, realisations, refresh
        integer :: status
        namelist /velocity/ kind, slope, n_min, n_max, drift, cap, realisations, refresh, path
        kind = '~'; path = '~'; slope = no_real; drift = no_real; cap = no_real
        n_min = no_int; n_max = no_int; realisations = no_int; refresh = no_int
        rewind (unit)
        read (unit, nml=velocity, iostat=status)
        call put_status('velocity', status)
        call put_text('velocity.kind', kind)
        call put_real('velocity.slope', slope)
        call put_int('velocity.n_min', n_min)
        call put_int('velocity.n_max', n_max)
        call put_real('velocity.drift', drift)
        call put_real('velocity.cap', cap)
        call put_int('velocity.realisations', realisations)
        call put_int('velocity.refresh', refresh)
        call put_text('velocity.path', path)
    end subroutine

    subroutine read_lbm
        character(len=text) :: collision, walls
        real(real64) :: alpha_max, value_range(2)
        integer(int64) :: order
        integer :: status
        namelist /lbm/ collision, alpha_max, walls, order, value_range
        collision = '~'; walls = '~'; alpha_max = no_real; value_range = no_real; order = no_int
        rewind (unit)
        read (unit, nml=lbm, iostat=status)
        call put_status('lbm', status)
        call put_text('lbm.collision', collision)
        call put_real('lbm.alpha_max', alpha_max)
        call put_text('lbm.walls', walls)
        call put_int('lbm.order', order)
        call put_reals('lbm.value_range', value_range)
    end subroutine

    subroutine read_store
        character(len=text) :: kind, precision, hints
        integer(int64) :: pairs_per_image
        integer :: status
        namelist /store/ kind, pairs_per_image, precision, hints
        kind = '~'; precision = '~'; hints = '~'; pairs_per_image = no_int
        rewind (unit)
        read (unit, nml=store, iostat=status)
        call put_status('store', status)
        call put_text('store.kind', kind)
        call put_int('store.pairs_per_image', pairs_per_image)
        call put_text('store.precision', precision)
        call put_text('store.hints', hints)
    end subroutine

    subroutine read_network
        character(len=text) :: kind
        integer :: status
        namelist /network/ kind
        kind = '~'
        rewind (unit)
        read (unit, nml=network, iostat=status)
        call put_status('network', status)
        call put_text('network.kind', kind)
    end subroutine

    subroutine read_unet
        integer(int64) :: channels, multipliers(8), blocks, attention_levels(8), heads
        real(real64) :: dropout
        logical :: middle_attention, first
        integer :: status
        namelist /unet/ channels, multipliers, blocks, attention_levels, middle_attention, heads, dropout
        channels = no_int; multipliers = no_int; blocks = no_int; attention_levels = no_int; heads = no_int
        dropout = no_real
        middle_attention = .false.
        rewind (unit)
        read (unit, nml=unet, iostat=status)
        first = middle_attention
        middle_attention = .true.
        rewind (unit)
        read (unit, nml=unet, iostat=status)
        call put_status('unet', status)
        call put_int('unet.channels', channels)
        call put_ints('unet.multipliers', multipliers)
        call put_int('unet.blocks', blocks)
        call put_ints('unet.attention_levels', attention_levels)
        call put_bool('unet.middle_attention', first, middle_attention)
        call put_int('unet.heads', heads)
        call put_real('unet.dropout', dropout)
    end subroutine

    subroutine read_train
        integer(int64) :: steps, batch, accumulate, warmup, checkpoint_every, keep, keep_every, log_every
        integer(int64) :: heldout
        character(len=text) :: target, optimizer, reduce, decay, init
        real(real64) :: beta1, beta2, epsilon, learning_rate, weight_decay, clip, ema, noise
        integer :: status
        namelist /train/ steps, batch, accumulate, target, optimizer, beta1, beta2, epsilon, learning_rate, warmup, &
            weight_decay, clip, ema, noise, checkpoint_every, keep, keep_every, reduce, log_every, &
            decay, init, heldout
        steps = no_int; batch = no_int; accumulate = no_int; warmup = no_int; checkpoint_every = no_int
        keep = no_int; keep_every = no_int; log_every = no_int
        target = '~'; optimizer = '~'; reduce = '~'; decay = '~'; init = '~'; heldout = no_int
        beta1 = no_real; beta2 = no_real; epsilon = no_real; learning_rate = no_real
        weight_decay = no_real; clip = no_real; ema = no_real; noise = no_real
        rewind (unit)
        read (unit, nml=train, iostat=status)
        call put_status('train', status)
        call put_int('train.steps', steps)
        call put_int('train.batch', batch)
        call put_int('train.accumulate', accumulate)
        call put_text('train.target', target)
        call put_text('train.optimizer', optimizer)
        call put_real('train.beta1', beta1)
        call put_real('train.beta2', beta2)
        call put_real('train.epsilon', epsilon)
        call put_real('train.learning_rate', learning_rate)
        call put_int('train.warmup', warmup)
        call put_real('train.weight_decay', weight_decay)
        call put_real('train.clip', clip)
        call put_real('train.ema', ema)
        call put_real('train.noise', noise)
        call put_int('train.checkpoint_every', checkpoint_every)
        call put_int('train.keep', keep)
        call put_int('train.keep_every', keep_every)
        call put_text('train.reduce', reduce)
        call put_int('train.log_every', log_every)
        call put_text('train.decay', decay)
        call put_text('train.init', init)
        call put_int('train.heldout', heldout)
    end subroutine

    subroutine read_sample
        integer(int64) :: count, batch, interpolate, levels
        real(real64) :: noise
        character(len=text) :: prior_split, sampler
        integer :: status
        namelist /sample/ count, batch, noise, prior_split, sampler, interpolate, levels
        count = no_int; batch = no_int; interpolate = no_int; levels = no_int; noise = no_real; prior_split = '~'; sampler = '~'
        rewind (unit)
        read (unit, nml=sample, iostat=status)
        call put_status('sample', status)
        call put_int('sample.count', count)
        call put_int('sample.batch', batch)
        call put_real('sample.noise', noise)
        call put_text('sample.prior_split', prior_split)
        call put_text('sample.sampler', sampler)
        call put_int('sample.interpolate', interpolate)
        call put_int('sample.levels', levels)
    end subroutine

    subroutine read_evaluate
        character(len=text) :: real, fake, metrics(8), features(8), weights
        character(len=text) :: inception_weights, fid_resize, lpips_trunk, trunk_weights, lpips_weights
        integer(int64) :: prdc_k, max_real, max_fake, lpips_repeats
        integer :: status
        namelist /evaluate/ real, fake, metrics, features, weights, prdc_k, max_real, max_fake, lpips_repeats, &
            inception_weights, fid_resize, lpips_trunk, trunk_weights, lpips_weights
        inception_weights = '~'; fid_resize = '~'; lpips_trunk = '~'; trunk_weights = '~'; lpips_weights = '~'
        real = '~'; fake = '~'; metrics = '~'; features = '~'; weights = '~'
        prdc_k = no_int; max_real = no_int; max_fake = no_int; lpips_repeats = no_int
        rewind (unit)
        read (unit, nml=evaluate, iostat=status)
        call put_status('evaluate', status)
        call put_text('evaluate.real', real)
        call put_text('evaluate.fake', fake)
        call put_texts('evaluate.metrics', metrics)
        call put_texts('evaluate.features', features)
        call put_text('evaluate.weights', weights)
        call put_int('evaluate.prdc_k', prdc_k)
        call put_int('evaluate.max_real', max_real)
        call put_int('evaluate.max_fake', max_fake)
        call put_int('evaluate.lpips_repeats', lpips_repeats)
        call put_text('evaluate.inception_weights', inception_weights)
        call put_text('evaluate.fid_resize', fid_resize)
        call put_text('evaluate.lpips_trunk', lpips_trunk)
        call put_text('evaluate.trunk_weights', trunk_weights)
        call put_text('evaluate.lpips_weights', lpips_weights)
    end subroutine

    subroutine read_limits
        real(real64) :: setup, step, files
        integer :: status
        namelist /limits/ setup, step, files
        setup = no_real; step = no_real; files = no_real
        rewind (unit)
        read (unit, nml=limits, iostat=status)
        call put_status('limits', status)
        call put_real('limits.setup', setup)
        call put_real('limits.step', step)
        call put_real('limits.files', files)
    end subroutine
end program
